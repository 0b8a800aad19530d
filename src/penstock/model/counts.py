"""What became of the records that came in, added up per hop."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of one hop. `received = stored + duplicate + unchanged + refused + filtered + shed` or the run is wrong.

    `duplicate` rows were there already, or came twice; `unchanged` ones are a newer version that says the same; `filtered` ones were left
    out because the pipeline says so; `shed` ones were let go because there was no room to keep them.

    `repeated` stands beside the sum: rows that a store without a key may hold twice because an unanswered write was sent again.
    """

    received: int = 0
    stored: int = 0
    duplicate: int = 0
    refused: int = 0
    repeated: int = 0
    unchanged: int = 0
    filtered: int = 0
    shed: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.received + other.received,
            self.stored + other.stored,
            self.duplicate + other.duplicate,
            self.refused + other.refused,
            self.repeated + other.repeated,
            self.unchanged + other.unchanged,
            self.filtered + other.filtered,
            self.shed + other.shed,
        )

    @property
    def add_up(self) -> bool:
        """Whether every row that came in is accounted for."""
        return self.received == self.stored + self.duplicate + self.unchanged + self.refused + self.filtered + self.shed


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: `1 duplicate`, `1,200 stretches`; the plural is with s unless stated."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
