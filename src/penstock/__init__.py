"""Penstock: an ingestion engine that loses nothing, stores nothing twice, and proves it."""

__version__ = "0.1.0"
