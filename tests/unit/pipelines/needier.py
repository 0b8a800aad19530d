"""A module that needs a package which nobody brings."""

import nowhere  # type: ignore[import-not-found]  # noqa: F401
