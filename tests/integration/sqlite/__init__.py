"""SQLite files, really written."""
