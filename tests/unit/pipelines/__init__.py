"""Pipelines from a file: what they say, and what becomes of rows on their way."""
