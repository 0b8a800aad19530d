"""The schema contract: which columns a pipeline's rows have, frozen with its scope, and what becomes of rows that have others."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from penstock.model.errors import Fatal, Transient
from penstock.pipelines.stages.step import Sifted
from penstock.ports.ends import SchemaPolicy
from penstock.stores.columns import conform, is_json, said

FACT = "penstock.columns"
"""Under this name the columns are among the facts of the scope, as a serialised Arrow schema in base64."""


class SchemaChanged(Fatal):
    """The rows no longer have the columns they had."""

    default_hint = (
        'Make the source as it was; or set schema = "evolve", which takes new columns,'
        ' or schema = "quarantine", which puts rows that do not fit among the dead letters.'
    )


class ColumnsAdded(Transient):
    """The rows have new columns, which the sink is to take."""


@dataclass(slots=True)
class Contract:
    """The columns in force, and the policy about others. A pipeline that never ran agrees to those of its source."""

    policy: SchemaPolicy
    schema: pa.Schema
    _wider: pa.Schema | None = None

    def recall(self, facts: Mapping[str, int | str], given: pa.Schema) -> None:
        """Put columns in force that `fit` found, or those now `given`, and hold them against what was frozen. No writer is open by then.

        Raises:
            SchemaChanged: under `freeze`, with every difference.
        """
        self.schema = self._wider or given
        if FACT not in facts:
            return
        frozen = pa.ipc.read_schema(pa.BufferReader(base64.b64decode(str(facts[FACT]))))
        if self.policy == "freeze" and (found := list(_differences(frozen, self.schema))):
            raise SchemaChanged("; ".join(found))
        self.schema = _with_new(frozen, self.schema) if self.policy == "evolve" else frozen

    def facts(self) -> dict[str, int | str]:
        """What to freeze."""
        return {FACT: base64.b64encode(self.schema.serialize()).decode()}

    def fit(self, rows: pa.RecordBatch) -> Sifted:
        """Rows in the columns in force.

        Raises:
            SchemaChanged: rows have other columns, and the policy is `freeze`; or values are of another type, and it is `evolve`.
            ColumnsAdded: under `evolve` for new columns; they are in force after the next `recall`, when the sink is opened with them.
        """
        if rows.schema.equals(self.schema, check_metadata=True):
            return Sifted(rows)
        differences = list(_differences(self.schema, rows.schema))
        if differences and self.policy == "freeze":
            raise SchemaChanged("; ".join(differences))
        if self.policy == "evolve" and len(wider := _with_new(self.schema, rows.schema)) > len(self.schema):
            self._wider = wider
            raise ColumnsAdded("; ".join(differences))
        fitted = conform(rows, self.schema)
        if fitted.refused and self.policy == "evolve":
            raise SchemaChanged(
                "; ".join(differences), hint="A column is never made narrower, nor its type another one; cast it in a stage."
            )
        kept = np.delete(np.arange(rows.num_rows), list(fitted.refused)) if fitted.refused else None
        return Sifted(fitted.rows, kept, tuple(fitted.refused.items()))


def _with_new(known: pa.Schema, found: pa.Schema) -> pa.Schema:
    """`known`, and behind it the columns that only `found` has; they may be null, for the rows before have none."""
    new = [field.with_nullable(True) for field in found if field.name not in known.names]
    return pa.schema([*known, *new], known.metadata)


def _differences(was: pa.Schema, now: pa.Schema) -> Iterator[str]:
    """Column by column, in words."""
    for field in was:
        if field.name not in now.names:
            yield f"`{field.name}` is missing, it was {said(field)}"
        elif not _same(field, now.field(field.name)):
            yield f"`{field.name}` was {said(field)} and is {said(now.field(field.name))}"
    yield from (f"`{field.name}` is new, it is {said(field)}" for field in now if field.name not in was.names)


def _same(one: pa.Field, other: pa.Field) -> bool:
    return bool(one.type == other.type and is_json(one) == is_json(other))
