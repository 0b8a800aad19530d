"""What crosses the seams."""
