"""Stand-ins for systems nobody can install: they import `model` only, never the codec they exist to test."""
