"""The seams: what the engine asks of sources, sinks and checkpoints, and nothing about how they do it."""
