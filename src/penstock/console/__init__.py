"""What people and their monitoring see over HTTP: health, readiness, metrics, status."""
