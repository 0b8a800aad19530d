"""From what a source gives to points of a run: an adapter for each kind of source, known by its name."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from math import isfinite
from operator import itemgetter
from typing import Any, ClassVar, Protocol

from penstock.instruments.points import STOICHIOMETRIC, Reading, point, target
from penstock.instruments.ranges import plain_name
from penstock.instruments.samples import DataSample, DynoDataPointSchema, InnovateSampleSchema, JetDriveSampleSchema
from penstock.instruments.validation import SILENT, BadSample, NotANumber, number
from penstock.model.counts import counted
from penstock.model.errors import Misconfigured, Refused
from penstock.model.units import symbol

TIMES: Mapping[str, int] = {
    **dict.fromkeys(("timestamp ms", "time ms", "time(ms)", "time (ms)", "time (msec)"), 1),
    **dict.fromkeys(("time", "time(s)", "time (s)", "secl", "offset"), 1_000),
}
"""Columns of time, as names are looked up, and how many milliseconds their unit has. Loggers that name no unit count seconds."""


class NoAdapter(Refused):
    """No adapter takes this data."""

    default_hint = "`register_adapter(name, adapter)` makes another one known."


class NoWindow(Misconfigured):
    """A window of time has a length."""


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
        return isinstance(data, JetDriveSampleSchema) or (
            isinstance(data, Mapping) and {"provider_id", "channel_id", "channel"} <= data.keys()
        )

    def convert(self, data: JetDriveSampleSchema | Mapping[str, Any]) -> DynoDataPointSchema:
        """The point of a single sample; raises `BadSample` where that is refused."""
        sample = data if isinstance(data, JetDriveSampleSchema) else _sample(data)
        if not (result := sample.validate()).is_valid:
            raise BadSample.of(result)
        return point(sample.timestamp_ms, (reading for _, reading in _measured([sample])))

    def aggregate_samples(self, samples: Iterable[DataSample], time_window_ms: int = 50) -> list[DynoDataPointSchema]:
        """A point for each window of time in which something was measured; the first window begins with the first reading.

        A member is the last value of its channel within the window; of several channels that of the one listed first, of several providers
        that of the least. A sample that is refused, or while its instrument does not measure, is no reading. Nothing is carried on from an
        earlier window: what was not measured within one is None. Samples may come in any order.
        """
        if time_window_ms <= 0:
            raise NoWindow(f"{time_window_ms} ms")
        measured = sorted(_measured(samples), key=itemgetter(0))
        first = measured[0][0] if measured else 0
        windows = groupby(measured, lambda one: (one[0] - first) // time_window_ms)
        return [point(first + number * time_window_ms, (reading for _, reading in those)) for number, those in windows]


@dataclass(frozen=True, slots=True)
class InnovateAdapter(DataAdapter):
    """Samples of wideband controllers. `places` says for each place in the chain, from 1, which member of a point it measures."""

    places: tuple[str, ...] = ("afr_front", "afr_rear")
    source_name: ClassVar[str] = "innovate"

    def can_handle(self, data: object) -> bool:
        """See `DataAdapter`."""
        return isinstance(data, InnovateSampleSchema)

    def convert(self, data: InnovateSampleSchema) -> DynoDataPointSchema:
        """The point of a single sample; raises `BadSample` where that is refused, or its place is not said to measure anything."""
        if not (result := data.validate()).is_valid:
            raise BadSample.of(result)
        if data.sensor_channel > len(self.places):
            raise BadSample(f"sensor_channel: {counted(len(self.places), 'place')} named, and not {data.sensor_channel}")
        ratio = None if result.quality in SILENT else _ratio(data)
        return DynoDataPointSchema(data.timestamp_ms, **{self.places[data.sensor_channel - 1]: ratio})


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
            BadSample: the row has no time, or a listed column says something that is no number.
        """
        cells = {name: _cell(name, data[name]) for name in _names(data) if plain_name(name) in TIMES or target(name)}
        times = [value * TIMES[plain_name(name)] for name, value in cells.items() if value is not None and plain_name(name) in TIMES]
        if not times or not isfinite(times[0]):
            raise BadSample("the row has no time")
        found = ((target(name), value) for name, value in cells.items() if value is not None)
        return point(round(times[0]), (Reading(goes, value) for goes, value in found if goes is not None))


def register_adapter(name: str, adapter: DataAdapter) -> None:
    """Make an adapter known by a name, in place of one that has it; it is asked before those that are known already."""
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


def _sample(members: Mapping[str, Any]) -> JetDriveSampleSchema:
    known: dict[str, Any] = {name: members[name] for name in JetDriveSampleSchema.__match_args__ if name in members}
    return JetDriveSampleSchema(**{"timestamp_ms": None, "source": "jetdrive", "value": None} | known)


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


def _ratio(sample: InnovateSampleSchema) -> float | None:
    """As air/fuel ratio, from what was told first."""
    if sample.afr is not None:
        return sample.afr
    if sample.lambda_value is not None:
        return sample.lambda_value * STOICHIOMETRIC
    assert sample.value is not None
    return sample.value * STOICHIOMETRIC if symbol(sample.unit) == "lambda" else sample.value


def _names(row: Mapping[Any, object]) -> list[str]:
    """Columns with a name; `csv.DictReader` puts cells that are too many under None."""
    return [name for name in row if isinstance(name, str)]


def _cell(name: str, value: object) -> float | None:
    try:
        return number(value)
    except NotANumber as error:
        raise BadSample(f"{name}: {error}") from None
