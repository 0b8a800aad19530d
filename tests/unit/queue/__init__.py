"""What stands between what cannot wait and what may fail."""
