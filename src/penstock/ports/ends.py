"""What a pipeline file can name: kinds of sources and sinks, found by entry point."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from penstock.model.metrics import Counters
from penstock.ports.bookkeeping import Bookkeeping
from penstock.ports.checkpoints import Checkpoints
from penstock.ports.live import Decoder, LiveSource
from penstock.ports.sink import Destination
from penstock.ports.source import Source

if TYPE_CHECKING:
    import pyarrow as pa

SOURCES, SINKS = "penstock.sources", "penstock.sinks"
"""Groups of entry points. The name of an entry point is the `type` in a pipeline file, its object a `SourceKind`, a `LiveKind`
or a `SinkKind`."""

Mode = Literal["append", "upsert", "replace"]
"""Rows are added; or a row takes the place of the one with the same key; or all of a run's rows take the place of what was there."""

SchemaPolicy = Literal["evolve", "freeze", "quarantine"]
"""What becomes of rows whose columns changed: the table gets new columns, the run stops with the difference, or they are refused."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an end may use of the run it is part of.

    `pipeline` is its name. `folder` is where relative paths start: that of the pipeline file. `checkpoints` are for sinks that keep no
    positions themselves; nothing is made of them before they are used. `lease_s` is after how many silent seconds another run may take
    over, for sinks that keep leases.
    """

    pipeline: str
    folder: Path
    checkpoints: Checkpoints
    counters: Counters
    lease_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Intake:
    """How a sink is to take rows: `key` names the columns of `mode` upsert, and is empty otherwise."""

    mode: Mode = "append"
    key: tuple[str, ...] = ()
    schema: SchemaPolicy = "freeze"


@dataclass(frozen=True, slots=True)
class SourceKind:
    """A kind of source.

    `settings` is a frozen dataclass; its fields are the keys of `[source]` in a pipeline file, `type` apart, and are checked against its
    annotations. A field that must not be shown has `repr=False`. `identity` says in one line, without secrets, which records these are: a
    pipeline's table takes no rows of another identity. `open` gives the source; entering may look at the other side, as to learn the
    columns, and moves nothing. `claim` says at the end of a run what its evidence is worth, where that is less than positions in an order
    of the source's own give. `pending` says in a sentence what is there by now that cannot be read yet, empty where nothing is.
    """

    settings: type[Any]
    identity: Callable[[Any, Surroundings], str]
    open: Callable[[Any, Surroundings], AbstractAsyncContextManager[Source]]
    claim: str = ""
    pending: Callable[[Any, Surroundings], str] | None = None


@dataclass(frozen=True, slots=True)
class LiveKind:
    """A kind of source whose records cannot be read again: they are received into a queue, and become rows behind it.

    `settings`, `identity` and `claim` as with a source. `receiver` gives what receives. `learns` says whether the first records tell the
    columns; then `learned` makes the decoder out of them, of none where none came, and is None where there are no columns. `recalled` makes
    it again out of the facts that were frozen with the scope; where it learns nothing, of none.
    """

    settings: type[Any]
    identity: Callable[[Any, Surroundings], str]
    receiver: Callable[[Any, Surroundings], LiveSource]
    learns: Callable[[Any], bool]
    learned: Callable[[Any, Sequence[bytes]], Decoder | None]
    recalled: Callable[[Any, Mapping[str, int | str]], Decoder]
    claim: str = ""


@dataclass(frozen=True, slots=True)
class SinkKind:
    """A kind of sink.

    `settings` as with a source. `modes` are those it can do. `open` gives the destination: a sink that keeps no positions itself is joined
    with the checkpoints of its surroundings (`penstock.engine.checkpointed`). `look` says in one sentence what is there for such rows, and
    changes nothing; it raises `Misconfigured` where they would not fit, and `Transient` where nobody answers. `place` says where the rows
    are, without secrets, `show` is a command that shows them. `count` says how many rows a reader finds there now, whoever wrote them, as
    evidence that does not come from our own counts; None where that cannot be told. `books` gives what the sink knows of its pipelines,
    where it keeps positions beside its rows instead of in the checkpoints of its surroundings.
    """

    settings: type[Any]
    modes: frozenset[Mode]
    open: Callable[[Any, Surroundings, Intake], AbstractAsyncContextManager[Destination]]
    look: Callable[[Any, Surroundings, Intake, pa.Schema], Awaitable[str]]
    place: Callable[[Any, Surroundings], str]
    show: Callable[[Any, Surroundings], str]
    count: Callable[[Any, Surroundings, Intake], Awaitable[int]] | None = None
    books: Callable[[Any, Surroundings], AbstractAsyncContextManager[Bookkeeping]] | None = None
