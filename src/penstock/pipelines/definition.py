"""What a pipeline file says."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

from annotated_types import Ge, Gt, Le

from penstock.pipelines.stages.step import Stage
from penstock.ports.ends import Intake, SchemaPolicy, SinkKind, SourceKind

Kind = TypeVar("Kind", SourceKind, SinkKind)


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
    source: End[SourceKind]
    stages: tuple[Stage, ...]
    sink: End[SinkKind]
    intake: Intake
    limits: Limits = field(default_factory=Limits)

    @property
    def kept_as(self) -> str:
        """The name under which its positions are kept."""
        return f"run/{self.name}"
