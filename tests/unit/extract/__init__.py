"""The extraction wing, without a database."""
