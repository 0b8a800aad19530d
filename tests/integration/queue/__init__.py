"""Queues on disk, read by pipelines."""
