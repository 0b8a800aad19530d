"""With real servers."""
