"""Files as sinks, with a real disk."""
