"""The simulated DataSync API."""
