"""The two commands at the root, and the pins that they install."""
