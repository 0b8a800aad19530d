"""The displays of a running command: the words, the picture, the stream they go to, and what they may not do to a run."""
