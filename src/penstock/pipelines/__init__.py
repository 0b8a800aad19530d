"""Pipelines from a file: what it may say, the ends and stages it names, the schema contract, the run and its evidence."""
