"""Files as sources and sinks: which bytes of which files have been read, and how far a written file is confirmed."""
