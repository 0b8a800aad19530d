"""A module that needs a package which an extra brings."""

import absent  # type: ignore[import-not-found]  # noqa: F401
