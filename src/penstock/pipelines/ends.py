"""The kinds of sources and sinks that are installed, by the names under which pipeline files know them."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, EntryPoint, entry_points

from penstock.model.errors import Misconfigured
from penstock.ports.ends import SINKS, SOURCES, LiveKind, SinkKind, SourceKind


class UnknownKind(Misconfigured):
    """There is no end of this type."""


class MissingExtra(Misconfigured):
    """A package is missing that this end needs."""


class BrokenEnd(Misconfigured):
    """An end cannot be loaded."""

    default_hint = "This is a defect of the distribution that brings it, or of how it was installed."


class TwoOfAKind(Misconfigured):
    """Two distributions bring an end of the same type."""

    default_hint = "Uninstall one of them: Penstock does not choose."


def sources() -> list[str]:
    """The types that `[source]` may have."""
    return sorted(entry_points(group=SOURCES).names)


def sinks() -> list[str]:
    """The types that `[sink]` may have."""
    return sorted(entry_points(group=SINKS).names)


def source(name: str) -> SourceKind | LiveKind:
    """The kind of source of that name; see `sink` for what it raises."""
    loaded, entry = _load(SOURCES, name)
    if not isinstance(loaded, SourceKind | LiveKind):
        raise BrokenEnd(f"{name} of {_brought_by(entry)}: {entry.value} is no SourceKind")
    return loaded


def sink(name: str) -> SinkKind:
    """The kind of sink of that name.

    Raises:
        UnknownKind: nobody brings one.
        MissingExtra: a package is missing; it is named with the extra that brings it.
        BrokenEnd: what the entry point names cannot be imported, or is something else.
        TwoOfAKind: more than one distribution brings one.
    """
    loaded, entry = _load(SINKS, name)
    if not isinstance(loaded, SinkKind):
        raise BrokenEnd(f"{name} of {_brought_by(entry)}: {entry.value} is no SinkKind")
    return loaded


def missing_extra(missing: ModuleNotFoundError, distribution: Distribution | None) -> MissingExtra:
    """The error for a package that is not installed, with the extra of the distribution that would bring it."""
    package = (missing.name or str(missing)).partition(".")[0]
    extras = sorted(_extras(package, distribution))
    name = "it" if distribution is None else distribution.name
    hint = f"Install {name}[{extras[0]}]." if extras else f"Install {package}."
    return MissingExtra(package, hint=hint)


def _load(group: str, name: str) -> tuple[object, EntryPoint]:
    found = list({entry.value: entry for entry in entry_points(group=group, name=name)}.values())
    if not found:
        raise UnknownKind(name)
    if len(found) > 1:
        raise TwoOfAKind(f"{name}: {' and '.join(sorted(map(_brought_by, found)))}")
    try:
        return found[0].load(), found[0]
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == found[0].module.partition(".")[0]:
            raise BrokenEnd(f"{name} of {_brought_by(found[0])}: {error}") from error
        raise missing_extra(error, found[0].dist) from error
    except Exception as error:  # somebody else's module may raise whatever it likes while it is imported
        raise BrokenEnd(f"{name} of {_brought_by(found[0])}: {type(error).__name__}: {error}") from error


def _brought_by(entry: EntryPoint) -> str:
    return "an unknown distribution" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"


def _extras(package: str, distribution: Distribution | None) -> set[str]:
    """The extras of a distribution that bring a package."""
    wanted = [] if distribution is None else distribution.requires or []
    found = (re.match(r"([\w.-]+).*;.*extra == ['\"]([^'\"]+)", requirement) for requirement in wanted)
    return {one[2] for one in found if one is not None and one[1].lower().replace("-", "_") == package.lower()}
