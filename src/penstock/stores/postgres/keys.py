"""Keys that a table is read by: as positions, and as values in SQL text."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from penstock.model.coverage import Position
from penstock.model.errors import Misconfigured
from penstock.stores.keyset import FIRST, KEYED, LAST, turned
from penstock.stores.postgres.names import literal, quoted


class NoSuchKeyType(Misconfigured):
    """A table cannot be read by a column of this type."""

    default_hint = "Name a key of type integer, uuid, date, timestamp or text."


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of keys: how the server sends one, whether newer rows have greater ones, and a value in SQL out of what was sent."""

    send: str
    grows: bool
    value: Callable[[bytes], str]
    signed: bool = True


def _integer(sent: bytes) -> str:
    return f"({int.from_bytes(sent, 'big', signed=True)})::bigint"


def _date(sent: bytes) -> str:
    return f"(date '2000-01-01' + ({int.from_bytes(sent, 'big', signed=True)}))"


def _timestamp(zone: str) -> Callable[[bytes], str]:
    def value(sent: bytes) -> str:
        (microseconds,) = struct.unpack(">q", sent)
        if abs(microseconds) >= 2**63 - 1:
            return f"'{'-' if microseconds < 0 else ''}infinity'::timestamp{zone}"
        days, rest = divmod(microseconds, 86_400_000_000)
        return f"('2000-01-01 00:00'::timestamp{zone} + interval '{days} days {rest // 1_000_000} seconds {rest % 1_000_000} microseconds')"

    return value


def _uuid(sent: bytes) -> str:
    return f"'{sent.hex()}'::uuid"


def _text(sent: bytes) -> str:
    return literal(sent.decode())


KINDS: dict[str, Kind] = {
    "smallint": Kind("int8send({}::bigint)", grows=True, value=_integer),
    "integer": Kind("int8send({}::bigint)", grows=True, value=_integer),
    "bigint": Kind("int8send({})", grows=True, value=_integer),
    "date": Kind("date_send({})", grows=True, value=_date),
    "timestamp without time zone": Kind("timestamp_send({})", grows=True, value=_timestamp("")),
    "timestamp with time zone": Kind("timestamptz_send({})", grows=True, value=_timestamp("tz")),
    "uuid": Kind("uuid_send({})", grows=False, value=_uuid, signed=False),
    "text": Kind("textsend({})", grows=False, value=_text, signed=False),
}


@dataclass(frozen=True, slots=True)
class Key:
    """The column that a table is read by, in rising order; text in the order of its bytes."""

    name: str
    kind: Kind
    epoch: str

    @classmethod
    def of(cls, name: str, sql_type: str, table: str) -> Key:
        """The key `name` of a table.

        Raises:
            NoSuchKeyType: a table cannot be read by that.
        """
        base = "text" if sql_type.startswith("character varying") else sql_type.replace("(3)", "").replace("(6)", "")
        if base not in KINDS:
            raise NoSuchKeyType(f"{table}: {name} is {sql_type}")
        return cls(name, KINDS[base], f"{table} by {name}")

    @property
    def sql(self) -> str:
        """The column in SQL text, in the order in which positions grow."""
        return quoted(self.name) + (' collate "C"' if self.kind is KINDS["text"] else "")

    @property
    def sent(self) -> str:
        """The column as the server sends it."""
        return self.kind.send.format(quoted(self.name))

    def position(self, order: bytes) -> Position:
        """A clean boundary."""
        return Position(self.epoch, order)

    def behind(self, sent: bytes) -> Position:
        """The position behind all rows with the key that was sent."""
        return self.position(KEYED + (turned(sent) if self.kind.signed else sent))

    def within(self, start: Position, end: Position) -> str:
        """The condition on rows between two positions."""
        low = [] if start.order[:1] == FIRST else [f"{self.sql} > {self._value(start)}"]
        high = {LAST: [], FIRST: ["false"]}.get(end.order[:1])
        return " and ".join([*low, *([f"{self.sql} <= {self._value(end)}"] if high is None else high)]) or "true"

    def _value(self, position: Position) -> str:
        order = position.order[1:]
        return self.kind.value(turned(order) if self.kind.signed else order)
