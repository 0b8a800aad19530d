"""Positions, counts, errors, metrics."""
