"""What a pipeline does to rows on their way: rename, cast, filter, dedupe, python, and nothing more."""
