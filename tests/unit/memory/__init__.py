"""The in-memory ends."""
