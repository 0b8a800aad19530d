"""The log of a queue as a source: what waits in a folder, read lane by lane and let go of as it is stored."""
