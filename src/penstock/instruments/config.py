"""The settings of ingestion, a dataclass for each table of 001's `config/ingestion.json`; names and defaults are 001's."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from ipaddress import AddressValueError, IPv4Address
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from penstock.instruments.constraints import Count, Seconds, Share, exceeds, require
from penstock.instruments.hooks import is_name
from penstock.instruments.validation import ValidationSettings
from penstock.model.errors import Misconfigured
from penstock.queue.ingestion import QueueSettings
from penstock.reliability import circuit, retry

LogLevel: TypeAlias = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


class NoSourceConfig(Misconfigured):
    """This cannot be the table of a source."""

    default_hint = (
        "It takes a frozen dataclass that extends SourceConfig, every field with a default, and a name that is no other key of the file."
    )


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """How connecting is tried again.

    The first of `max_attempts` attempts is made at once, the second after `initial_delay_sec`, each further one after `exponential_base`
    times as long, up to `max_delay_sec`. With `jitter` each wait is shortened by chance, to half of it at the most.
    """

    max_attempts: Count = 3
    initial_delay_sec: Seconds = 0.1
    max_delay_sec: Seconds = 30.0
    exponential_base: Annotated[float, Meta(ge=1, le=100)] = 2.0
    jitter: bool = True

    def __post_init__(self) -> None:
        require(self, "initial_delay_sec is longer than max_delay_sec" * exceeds(self, "initial_delay_sec", "max_delay_sec"))

    def attempts(self, number: int) -> retry.RetrySettings:
        """The same for so many attempts, without a deadline."""
        return retry.RetrySettings(number, math.inf, self.initial_delay_sec, self.max_delay_sec, self.exponential_base)

    def chance(self, rand: Callable[[], float]) -> Callable[[], float]:
        """What part of a delay is waited, if `rand` draws from [0, 1)."""
        return (lambda: (1 + rand()) / 2) if self.jitter else (lambda: 1.0)


@dataclass(frozen=True, slots=True)
class CircuitBreakerSettings:
    """When calls are held back.

    After `failure_threshold` failures in a row; or when, of the last `window_calls` calls within `window_sec` and at least `minimum_calls`,
    a share of `failure_rate` failed or a share of `slow_call_rate` took longer than `slow_call_sec`. They are held back for `timeout_sec`,
    each time that it was in vain twice as long, up to `max_timeout_sec` (None: ten times `timeout_sec`). Then at most `half_open_max_calls`
    at once may try, and `success_threshold` of them have to succeed.
    """

    failure_threshold: Count = 5
    success_threshold: Count = 2
    timeout_sec: Seconds = 60.0
    max_timeout_sec: Seconds | None = None
    half_open_max_calls: Count = 3
    window_calls: Count = 100
    window_sec: Seconds = 3_600.0
    minimum_calls: Count = 20
    failure_rate: Share = 0.5
    slow_call_rate: Share = 0.9
    slow_call_sec: Seconds = 60.0

    def __post_init__(self) -> None:
        require(
            self,
            "max_timeout_sec is shorter than timeout_sec" * exceeds(self, "timeout_sec", "max_timeout_sec"),
            "window_calls is less than minimum_calls" * exceeds(self, "minimum_calls", "window_calls"),
        )

    def core(self) -> circuit.BreakerSettings:
        """The same for the breaker."""
        return circuit.BreakerSettings(
            failures=self.failure_threshold,
            successes=self.success_threshold,
            open_s=self.timeout_sec,
            cap_open_s=10 * self.timeout_sec if self.max_timeout_sec is None else self.max_timeout_sec,
            probes=self.half_open_max_calls,
            window_calls=self.window_calls,
            window_s=self.window_sec,
            minimum_calls=self.minimum_calls,
            failure_rate=self.failure_rate,
            slow_rate=self.slow_call_rate,
            slow_s=self.slow_call_sec,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConfig:
    """The table of a source: what every source has. Other keys are the fields of a subclass.

    `auto_reconnect`: whether reading goes on by itself after the connection was lost. `retry`, `circuit_breaker` and `validation` stand for
    this source before `default_retry`, `default_circuit_breaker` and `validation` of the whole file.
    """

    auto_reconnect: bool = True
    retry: RetrySettings | None = None
    circuit_breaker: CircuitBreakerSettings | None = None
    validation: ValidationSettings | None = None

    def __post_init__(self) -> None:
        require(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class JetDriveConfig(SourceConfig):
    """JetDrive over UDP multicast. `interface` is the address of the network interface that joins; empty leaves it to the system."""

    multicast_group: str = "224.0.2.10"
    port: Annotated[int, Meta(ge=1, le=65_535)] = 22_344
    interface: str = ""
    discovery_timeout_sec: Seconds = 3.0

    def __post_init__(self) -> None:
        require(
            self,
            "multicast_group is to be an IPv4 address from 224.0.0.0 to 239.255.255.255" * (not _is_multicast(self.multicast_group)),
            "interface is to be the IPv4 address of a network interface of this machine, or empty"
            * bool(self.interface and _address(self.interface) is None),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class InnovateConfig(SourceConfig):
    """Wideband controllers of Innovate on a serial line. `channels` are places in their chain, counted from 1."""

    baudrate: Count = 19_200
    device_type: Literal["AUTO", "DLG-1", "LC-2"] = "AUTO"
    channels: Annotated[tuple[Count, ...], Meta(min_length=1)] = (1, 2)

    def __post_init__(self) -> None:
        channels: object = self.channels
        require(self, "channels has one of them twice" * (isinstance(channels, tuple) and any(channels.count(one) > 1 for one in channels)))


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestionConfig:
    """The whole file.

    `global_enabled`: whether clients may connect at all. `log_level`: from which level on they log. `sources` are the tables of single
    sources by name.
    """

    global_enabled: bool = True
    log_level: LogLevel = "INFO"
    queue: QueueSettings = field(default_factory=QueueSettings)
    default_retry: RetrySettings = field(default_factory=RetrySettings)
    default_circuit_breaker: CircuitBreakerSettings = field(default_factory=CircuitBreakerSettings)
    validation: ValidationSettings = field(default_factory=ValidationSettings)
    sources: Mapping[str, SourceConfig] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sources: object = self.sources
        named = sources if isinstance(sources, Mapping) else {"each": sources}
        odd = ", ".join(str(name) for name, one in named.items() if not isinstance(one, SourceConfig))
        require(self, f"sources: {odd} can only be a `SourceConfig`" * bool(odd), but="sources")

    def get_source_config(self, name: str) -> SourceConfig:
        """The table of a source, its defaults where the file has none."""
        found = self.sources.get(name)
        return source_kinds().get(name, SourceConfig)() if found is None else found


_KINDS: dict[str, type[SourceConfig]] = {"jetdrive": JetDriveConfig, "innovate": InnovateConfig}


def source_kinds() -> Mapping[str, type[SourceConfig]]:
    """The sources that may have a table in the file, and what it holds."""
    return dict(_KINDS)


def register_source_config(name: str, kind: type) -> None:
    """Let the file have a table for a source of this name; its keys are the fields of `kind`.

    Raises:
        NoSourceConfig: `kind` does not extend `SourceConfig`, not all of its fields have a default, or the name is taken.
    """
    taken = name in {field.name for field in fields(IngestionConfig)} or _KINDS.get(name, kind) is not kind
    if not is_name(name) or taken or not _is_table(kind):
        raise NoSourceConfig(f"{name}: {getattr(kind, '__name__', kind)}")
    _KINDS[name] = kind


def _is_table(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, SourceConfig) and not any(_needed(field) for field in fields(kind))


def _needed(field: Field[object]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _address(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text)
    except AddressValueError:
        return None


def _is_multicast(text: str) -> bool:
    address = _address(text)
    return address is not None and address.is_multicast
