"""The embedded server without a server: what it decides from what it sees."""
