"""Systems that more than one wing can name, source and sink side by side."""
