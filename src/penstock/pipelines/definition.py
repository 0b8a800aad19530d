"""What a pipeline file says."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from annotated_types import Ge, Gt, Le

from penstock.pipelines.stages.step import Stage
from penstock.ports.ends import Intake, LiveKind, SchemaPolicy, SinkKind, SourceKind

AnySource = SourceKind | LiveKind
Kind = TypeVar("Kind", AnySource, SinkKind)


@dataclass(frozen=True, slots=True)
class Head:
    """The keys of a pipeline file that are no tables."""

    name: str = ""
    mode: str = "append"
    schema: SchemaPolicy = "freeze"


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a run: workers at a time, the share of records that may be refused, and how long it may be silent."""

    workers: Annotated[int, Ge(1), Le(1_000)] = 8
    max_refused_percent: Annotated[float, Ge(0), Le(100)] = 1.0
    stall_minutes: Annotated[float, Gt(0)] = 15.0
    lease_seconds: Annotated[float, Gt(0)] = 30.0


@dataclass(frozen=True, slots=True)
class Queue:
    """Where a live source is received into: a folder, how many bytes of it may wait there, and what happens when that is full.

    Without a `path` it is a folder of the state folder, by the name of the pipeline. What was received waits for the flush interval, at
    most, to be delivered together with what follows.
    """

    path: str = ""
    max_bytes: Annotated[int, Ge(64 * 2**20)] = 2**30
    min_free_bytes: Annotated[int, Ge(0)] = 64 * 2**20
    flush_interval_s: Annotated[float, Ge(0), Le(3_600)] = 1.0
    overflow: Literal["block", "shed"] = "block"


@dataclass(frozen=True, slots=True)
class End(Generic[Kind]):
    """A source or a sink as the file names it: its `type`, what that is, and its settings."""

    type: str
    kind: Kind
    settings: Any


@dataclass(frozen=True, slots=True)
class Definition:
    """A pipeline: where its rows come from, what happens to them on the way, where they go. Relative paths start at `folder`."""

    name: str
    folder: Path
    source: End[AnySource]
    stages: tuple[Stage, ...]
    sink: End[SinkKind]
    intake: Intake
    limits: Limits = field(default_factory=Limits)
    queue: Queue = field(default_factory=Queue)

    @property
    def kept_as(self) -> str:
        """The name under which its positions are kept."""
        return f"run/{self.name}"
