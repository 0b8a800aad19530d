"""What kills, cuts and breaks."""
