"""Requests over HTTP: sent again, put off, given up, and their answers read within limits."""
