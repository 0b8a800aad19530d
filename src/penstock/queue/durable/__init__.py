"""The log on disk: segments of checked blocks in a folder, appended to by one thread, opened in whatever state a crash left them."""
