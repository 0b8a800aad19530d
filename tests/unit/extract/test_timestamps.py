"""Timestamps: every notation, held against the standard library one at a time."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from penstock.extract.timestamps import EARLIEST, LATEST, SECONDS_BELOW, UNKNOWN, Stamp, milliseconds

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
NEAR_ISO = re.compile(
    r"[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9](:[0-6][0-9](:[0-6][0-9](\.[0-9]{1,9})?)?)?(Z|z|[+-][0-2][0-9](:?[0-5][0-9])?)?"
)

moments = st.integers(EARLIEST, LATEST)
big_moments = moments.filter(lambda ms: abs(ms) >= SECONDS_BELOW)
small_moments = st.integers(EARLIEST, SECONDS_BELOW * 1_000 - 1)
second_moments = small_moments.map(lambda ms: ms // 1_000 * 1_000).filter(lambda ms: ms >= EARLIEST)

nonsense: st.SearchStrategy[Stamp] = st.one_of(
    st.none(),
    st.just("2026-02-30T00:00:00Z"),
    st.sampled_from([math.inf, -math.inf, math.nan, 10**30, -(10**30), 2**63 - 1, -(2**63), 1e300]),
    st.text(alphabet="abxyz:. -", max_size=8),
)
anything: st.SearchStrategy[Stamp] = st.one_of(
    st.integers(), st.floats(), st.floats(-1e12, 1e12), st.from_regex(NEAR_ISO, fullmatch=True), st.text(), st.none()
)


@st.composite
def iso(draw: st.DrawFn) -> tuple[int, Stamp]:
    """A moment, and one of its ISO 8601 texts: any zone, any number of decimals that says it exactly or finer."""
    ms = draw(st.integers(EARLIEST + 86_400_000, LATEST - 86_400_000))
    offset = draw(st.integers(-23 * 60 - 59, 23 * 60 + 59))
    local = (EPOCH + ms * MILLISECOND).astimezone(timezone(timedelta(minutes=offset)))
    decimals = f"{local.microsecond // 1_000:03d}" + draw(st.text("0123456789", max_size=6))
    fraction = "" if ms % 1_000 == 0 and draw(st.booleans()) else f".{decimals}"
    zone = f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02d}{draw(st.sampled_from(['', ':']))}{abs(offset) % 60:02d}"
    if offset == 0:
        zone = draw(st.sampled_from(["Z", "z", "", "+00", zone]))
    return ms, f"{local:%Y-%m-%d}".rjust(10, "0") + draw(st.sampled_from("Tt ")) + f"{local:%H:%M:%S}{fraction}{zone}"


notations: st.SearchStrategy[tuple[int, Stamp]] = st.one_of(
    iso(),
    big_moments.map(lambda ms: (ms, ms)),
    big_moments.map(lambda ms: (ms, str(ms))),
    big_moments.map(lambda ms: (ms, float(ms))),
    second_moments.map(lambda ms: (ms, ms // 1_000)),
    second_moments.map(lambda ms: (ms, f" {ms // 1_000} ")),
    small_moments.map(lambda ms: (ms, ms / 1_000)),
    small_moments.map(lambda ms: (ms, f"{Decimal(ms) / 1_000:+.3f}")),
    nonsense.map(lambda stamp: (UNKNOWN, stamp)),
)


def slow(stamp: Stamp) -> int:
    """The same by the standard library, one at a time."""
    if isinstance(stamp, str):
        text = stamp.strip().upper()
        if re.fullmatch(r"[+-]?[0-9]{1,18}", text):
            return slow(int(text))
        if re.fullmatch(r"[+-]?[0-9]{1,18}\.[0-9]+", text):
            return slow(float(text))
        return slow_iso(text) if NEAR_ISO.fullmatch(text) else UNKNOWN
    if stamp is None or not math.isfinite(stamp):
        return UNKNOWN
    exact = Decimal(repr(stamp))
    return within(math.floor(exact * 1_000 if abs(exact) < SECONDS_BELOW else exact))


def slow_iso(text: str) -> int:
    """ISO 8601, by `datetime`."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return UNKNOWN
    return within(((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH) // MILLISECOND)


def within(ms: int) -> int:
    """What lies beyond the years 1 to 9999 is unknown."""
    return ms if EARLIEST <= ms <= LATEST else UNKNOWN


def read(*stamps: Stamp) -> list[int]:
    """A page of them, read at once."""
    times: list[int] = milliseconds(stamps).tolist()
    return times


@given(st.lists(notations, max_size=30))
def test_every_notation_mixed(page: list[tuple[int, Stamp]]) -> None:
    """A page that mixes all notations, and nonsense, gives each event its very millisecond and the nonsense none."""
    assert read(*(stamp for _, stamp in page)) == [ms for ms, _ in page]


@given(st.lists(anything, max_size=8))
@example([99_999_999_999.369, 9_999_999_999.001, -0.0005, 1_769_541_612.3689999])
@example(["2026-01-27T19Z", "2026-01-27T19"])
@example(["2026-01-27T19:20:12.369+05:30", "٣", "1_0", "1e9", "0x10", "+-1", "1.", ".5"])
def test_as_the_standard_library(stamps: list[Stamp]) -> None:
    """Whatever is given is read as the standard library reads it one at a time."""
    assert read(*stamps) == [slow(stamp) for stamp in stamps]


@given(st.one_of(st.from_regex(NEAR_ISO, fullmatch=True), notations.map(lambda pair: pair[1])), st.lists(notations, max_size=5))
@example("2026-01-27T19Z", [(UNKNOWN, "2026-02-30T00:00:00Z")])
def test_neighbours_do_not_matter(stamp: Stamp, others: list[tuple[int, Stamp]]) -> None:
    """An event is read the same whatever stands beside it on the page, so that reading a page again cannot change a verdict."""
    alone = read(stamp)

    assert read(stamp, *(other for _, other in others))[:1] == alone


def test_an_empty_page() -> None:
    """No stamps, no times."""
    assert read() == []


def test_a_day_that_does_not_exist() -> None:
    """It spoils its own event and none of the good ones around it."""
    times = read("2026-02-28T00:00:00Z", "2026-02-29T00:00:00Z", "2028-02-29T00:00:00Z", "2026-03-01T24:00:00Z", "2026-03-01T00:00:60Z")

    assert times == [1_772_236_800_000, UNKNOWN, 1_835_395_200_000, UNKNOWN, UNKNOWN]


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 2**63, -(2**63) - 1, 10**30, -(10**30), LATEST + 1, EARLIEST - 1])
def test_out_of_range(number: int) -> None:
    """A number that is no moment of the years 1 to 9999 is unknown, in every notation, and never 1970; its neighbours stay."""
    times = read(number, 5, str(number), float(number) * 1.01, f"{number}.5")

    assert times == [UNKNOWN, 5_000, UNKNOWN, UNKNOWN, UNKNOWN]


def test_the_edges_of_the_range() -> None:
    """The first and the last millisecond that can be stored are known, their neighbours are not."""
    times = read(EARLIEST, LATEST, EARLIEST - 1, LATEST + 1, "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59.999-00:01")

    assert times == [EARLIEST, LATEST, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN]


def test_seconds_or_milliseconds() -> None:
    """Numbers below 10¹¹ are seconds, from there on milliseconds, on both sides of 1970."""
    times = read(SECONDS_BELOW - 1, SECONDS_BELOW, -SECONDS_BELOW, -1, -1.5, "-1")

    assert times == [99_999_999_999_000, 100_000_000_000, -100_000_000_000, -1_000, -1_500, -1_000]


def test_finer_than_a_millisecond() -> None:
    """What is finer is cut off, as the API's own keys do it, never rounded up."""
    times = read(
        "2026-01-27T19:20:12.3699999Z", "2026-01-27T19:20:12.369999999", 1_769_541_612_369.9, 1_769_541_612.3699, "1769541612.3699", -0.0001
    )

    assert times == [1_769_541_612_369] * 5 + [-1]


def test_a_truth_value_is_no_time() -> None:
    """JSON's true and false are no numbers."""
    assert read(True, False) == [UNKNOWN, UNKNOWN]
