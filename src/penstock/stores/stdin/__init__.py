"""Standard input: lines that a program writes, received into a queue before anything else happens to them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from penstock.model.errors import Misconfigured
from penstock.ports.ends import LiveKind, Surroundings
from penstock.ports.live import Decoder, LiveSource
from penstock.stores.stdin.settings import StdinSource

__all__ = ["SOURCE"]

STDIN = 0


class NoInput(Misconfigured):
    """There is no standard input."""

    default_hint = "Let a program write into this one: program | penstock run FILE"


def _identity(settings: StdinSource, surroundings: Surroundings) -> str:
    del settings, surroundings
    return "lines of standard input"


def _receiver(settings: StdinSource, surroundings: Surroundings) -> LiveSource:
    from penstock.stores.stdin.receiving import Lines  # noqa: PLC0415 - only where it is received

    del surroundings
    if sys.stdin is None:  # it was closed, and its number may be another file's by now
        raise NoInput
    return Lines(STDIN, settings.max_line_bytes, blank=settings.format == "text")


def _learns(settings: StdinSource) -> bool:
    return settings.format == "json"


def _learned(settings: StdinSource, records: Sequence[bytes]) -> Decoder | None:
    from penstock.stores.jsonl.entries import learned  # noqa: PLC0415 - pyarrow only where rows are moved

    return learned(records, settings.columns)


def _recalled(settings: StdinSource, facts: Mapping[str, int | str]) -> Decoder:
    if settings.format == "text":
        from penstock.stores.stdin.text import TextEntries  # noqa: PLC0415 - as above

        return TextEntries()
    from penstock.stores.jsonl.entries import recalled  # noqa: PLC0415 - as above

    return recalled(facts)


SOURCE = LiveKind(
    settings=StdinSource,
    identity=_identity,
    receiver=_receiver,
    learns=_learns,
    learned=_learned,
    recalled=_recalled,
    claim="Lines count from where they were read out of the pipe; what was on its way there when a run was killed is outside of the claim.",
)
