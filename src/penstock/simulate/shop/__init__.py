"""A small shop's API of orders, paged in every way that people meet, and troubled in every way on request."""
