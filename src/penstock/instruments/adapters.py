"""From what a source gives to points of a run: an adapter for each kind of source, known by its name."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from math import isfinite
from operator import itemgetter
from typing import Any, ClassVar, Protocol, TypeVar

from penstock.instruments.hooks import is_name, text_of
from penstock.instruments.inspection import LATEST_MS
from penstock.instruments.points import STOICHIOMETRIC, UNITS_OF_A_POINT, Reading, point, target
from penstock.instruments.ranges import OPEN, plain_name
from penstock.instruments.samples import DataSample, DynoDataPointSchema, InnovateSampleSchema, JetDriveSampleSchema
from penstock.instruments.validation import (
    INFINITE,
    NO_TIME,
    NO_VALUE,
    NOT_A_NUMBER,
    SILENT,
    BadSample,
    NotANumber,
    judge,
    number,
)
from penstock.model.counts import counted
from penstock.model.errors import Misconfigured, Refused
from penstock.model.units import symbol

S = TypeVar("S", bound=DataSample)

TIMES: Mapping[str, int] = {
    **dict.fromkeys(("timestamp ms", "time ms", "time(ms)", "time (ms)", "time (msec)"), 1),
    **dict.fromkeys(("time", "time(s)", "time (s)", "secl", "offset"), 1_000),
}
"""Columns of time, as names are looked up, and how many milliseconds their unit has. Loggers that name no unit count seconds."""


NONE_OF_THESE = "this is no data of its source"


class NoAdapter(Refused):
    """No adapter takes this data."""

    default_hint = "`register_adapter(name, adapter)` makes another one known."


class NotAnAdapter(Misconfigured):
    """This cannot be registered as an adapter."""

    default_hint = 'It takes a name, and an instance of a class that extends `DataAdapter`: `register_adapter("mine", MyAdapter())`.'


class NoWindow(Misconfigured):
    """A window of time is a whole number of milliseconds, at least one."""


class DataAdapter(Protocol):
    """Makes points of a run from the data of one kind of source. It keeps nothing between two calls: a point says what its data said."""

    source_name: ClassVar[str]

    @abstractmethod
    def can_handle(self, data: object) -> bool:
        """Whether this is data of its source; never raises."""
        ...

    @abstractmethod
    def convert(self, data: Any) -> DynoDataPointSchema:  # noqa: ANN401 - each adapter takes its own
        """The point; what the data does not say is None. Raises `Refused` where it cannot be read."""
        ...


class JetDriveAdapter(DataAdapter):
    """Samples of JetDrive: `JetDriveSampleSchema`, or dictionaries with its members."""

    source_name = "jetdrive"

    def can_handle(self, data: object) -> bool:
        """See `DataAdapter`."""
        return _is_sample(data, JetDriveSampleSchema, frozenset({"provider_id", "channel_id", "channel"}))

    def convert(self, data: JetDriveSampleSchema | Mapping[str, Any]) -> DynoDataPointSchema:
        """The point of a single sample; raises `BadSample` where that is refused."""
        sample = _sample(data, JetDriveSampleSchema, self.source_name)
        kept = _kept(sample)
        return _finite(point(kept["timestamp_ms"], (reading for _, reading in _measured([sample]))))

    def aggregate_samples(self, samples: Iterable[DataSample], time_window_ms: int = 50) -> list[DynoDataPointSchema]:
        """A point for each window of time in which something was measured; the first window begins with the first reading.

        A member is the last value of its channel within the window; of several channels that of the one listed first, of several providers
        that of the least. A sample that is refused, or while its instrument does not measure, is no reading, and neither is a value that is
        too large for the unit of a point. Nothing is carried on from an earlier window: what was not measured within one is None. Samples
        may come in any order.
        """
        if type(time_window_ms) is not int or time_window_ms < 1:
            raise NoWindow(f"{time_window_ms} ms")
        measured = sorted((one for one in _measured(samples) if isfinite(one[1].converted)), key=itemgetter(0))
        first = measured[0][0] if measured else 0
        windows = groupby(measured, lambda one: (one[0] - first) // time_window_ms)
        return [point(first + number * time_window_ms, (reading for _, reading in those)) for number, those in windows]


@dataclass(frozen=True, slots=True)
class InnovateAdapter(DataAdapter):
    """Samples of wideband controllers: `InnovateSampleSchema`, or dictionaries with its members.

    `places` says for each place in the chain, from 1, which member of a point it measures.
    """

    places: tuple[str, ...] = ("afr_front", "afr_rear")
    source_name: ClassVar[str] = "innovate"

    def can_handle(self, data: object) -> bool:
        """See `DataAdapter`."""
        return _is_sample(data, InnovateSampleSchema, frozenset({"sensor_channel", "channel"}))

    def convert(self, data: InnovateSampleSchema | Mapping[str, Any]) -> DynoDataPointSchema:
        """The point of a single sample; raises `BadSample` where that is refused, or its place is not said to measure anything."""
        kept = _kept(_sample(data, InnovateSampleSchema, self.source_name))
        if (place := kept["sensor_channel"]) > len(self.places):
            raise BadSample(f"sensor_channel: {counted(len(self.places), 'place')} named, and not {place}")
        ratio = None if kept["quality"] in SILENT else _ratio(kept)
        return _finite(DynoDataPointSchema(kept["timestamp_ms"], **{self.places[place - 1]: ratio}))


class CSVAdapter(DataAdapter):
    """Rows of tables of text: dictionaries by the names of the columns, with a time."""

    source_name = "csv"

    def can_handle(self, data: object) -> bool:
        """See `DataAdapter`."""
        names = _names(data) if isinstance(data, Mapping) else []
        return any(plain_name(name) in TIMES for name in names) and any(target(name) for name in names)

    def convert(self, data: Mapping[str, object]) -> DynoDataPointSchema:
        """The point of a row. Columns that are not listed are left aside; an empty cell is missing.

        Raises:
            BadSample: the row has no time that can be kept, or listed columns say something that is no number, NaN or infinity among it.
                All of them are named, and the row by its time.
        """
        if not isinstance(data, Mapping):
            raise BadSample(NONE_OF_THESE)
        at_ms, readings, faults = _row_time_ms(data), list[Reading](), list[str]()
        for name, goes in ((name, target(name)) for name in _names(data)):
            try:
                if goes is not None and (value := _cell(name, data[name])) is not None:
                    readings.append(Reading(goes, value))
            except BadSample as error:
                faults.append(error.detail)
        try:
            if not faults:
                return _finite(point(at_ms, readings))
        except BadSample as error:
            faults.append(error.detail)
        raise BadSample(f"row at {at_ms} ms: {'; '.join(faults)}")


def register_adapter(name: str, adapter: DataAdapter) -> None:
    """Make an adapter known by a name, in place of one that has it; it is asked before those that are known already.

    Raises:
        NotAnAdapter: it does not convert anything, as a class does not, or the name says nothing.
    """
    if not is_name(name) or not _converts(adapter):
        raise NotAnAdapter(f"{name}: {text_of(adapter)[:60]}")
    _ADAPTERS.pop(name, None)
    _ADAPTERS[name] = adapter


def get_adapter_for_source(data: object) -> DataAdapter | None:
    """The adapter of this name, or the one that takes this data, the latest to be registered first; None where there is none."""
    if isinstance(data, str) and data in _ADAPTERS:
        return _ADAPTERS[data]
    return next((adapter for adapter in reversed(_ADAPTERS.values()) if adapter.can_handle(data)), None)


def convert_to_standard(data: object, source: str = "") -> DynoDataPointSchema:
    """The point of a run that some data is, by the adapter of its `source` or else the one that takes it.

    Raises:
        NoAdapter: there is none.
        Refused: it cannot read the data.
    """
    adapter = get_adapter_for_source(source or data)
    if adapter is None:
        raise NoAdapter(source or type(data).__name__)
    return adapter.convert(data)


_ADAPTERS: dict[str, DataAdapter] = {adapter.source_name: adapter for adapter in (CSVAdapter(), InnovateAdapter(), JetDriveAdapter())}


def _converts(adapter: object) -> bool:
    return not isinstance(adapter, type) and callable(getattr(adapter, "can_handle", None)) and callable(getattr(adapter, "convert", None))


def _is_sample(data: object, kind: type[DataSample], members: frozenset[str]) -> bool:
    return isinstance(data, kind) or (isinstance(data, Mapping) and members <= data.keys())


def _sample(data: S | Mapping[str, Any], kind: type[S], source: str) -> S:
    """A sample of this kind, also of a dictionary that has some of its members."""
    if isinstance(data, kind):
        return data
    if not isinstance(data, Mapping):
        raise BadSample(NONE_OF_THESE)
    known: dict[str, Any] = {name: data[name] for name in kind.__match_args__ if name in data}
    return kind(**{"timestamp_ms": None, "source": source, "channel": None, "value": None} | known)


def _kept(sample: DataSample) -> Mapping[str, Any]:
    """The members of a sample as they are to be stored; raises `BadSample` where it is refused."""
    result = sample.validate()
    if result.sanitized_data is None:
        raise BadSample.of(result)
    return result.sanitized_data


def _measured(samples: Iterable[DataSample]) -> Iterator[tuple[int, Reading]]:
    """What samples say for points, with their times."""
    for sample in samples:
        result = sample.validate()
        if result.sanitized_data is None or result.quality in SILENT:
            continue
        goes = target(sample.channel, sample.unit)
        if goes is not None:
            read, provider = result.sanitized_data, getattr(sample, "provider_id", 0)
            yield read["timestamp_ms"], Reading(goes, read["value"], provider)


def _ratio(sample: Mapping[str, Any]) -> float:
    """As air/fuel ratio, from what was told first."""
    told: list[tuple[float | None, float]] = [(sample["afr"], 1.0), (sample["lambda_value"], STOICHIOMETRIC)]
    told.append((sample["value"], STOICHIOMETRIC if symbol(sample["unit"]) == "lambda" else 1.0))
    return next(ratio * scale for ratio, scale in told if ratio is not None)


def _names(row: Mapping[Any, object]) -> list[str]:
    """Columns with a name; `csv.DictReader` puts cells that are too many under None."""
    return [name for name in row if isinstance(name, str)]


def _cell(name: str, given: object) -> float | None:
    """A cell as a number that can be kept; None where it is empty. Raises `BadSample` with the name of its column."""
    try:
        value = number(given)
    except NotANumber as error:
        raise BadSample(f"{name}: {NOT_A_NUMBER}: {error.detail}") from None
    if value is not None and (refused := judge(value, OPEN).refused):
        raise BadSample(f"{name}: {refused}")
    return value


def _row_time_ms(row: Mapping[str, object]) -> int:
    """The time of a row, by the first column of times that has one."""
    named = [name for name in _names(row) if plain_name(name) in TIMES]
    times = ((name, value * TIMES[plain_name(name)]) for name in named if (value := _cell(name, row[name])) is not None)
    name, time_ms = next(times, (" or ".join(named), None))
    if time_ms is None:
        raise BadSample(f"{name}: {NO_VALUE}" if named else "the row has no time")
    if not 0 <= time_ms <= LATEST_MS:
        raise BadSample(f"{name}: {NO_TIME}: {text_of(row[name])[:60]}")
    return round(time_ms)


def _finite(made: DynoDataPointSchema) -> DynoDataPointSchema:
    """A point whose values have all room in its units; raises `BadSample`."""
    faults = [f"{name}: {INFINITE}" for name in UNITS_OF_A_POINT if not isfinite(getattr(made, name) or 0.0)]
    if faults:
        raise BadSample("; ".join(faults))
    return made
