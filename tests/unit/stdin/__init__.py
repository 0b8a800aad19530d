"""Lines of standard input."""
