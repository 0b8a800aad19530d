"""`config/ingestion.json`: what it says is what is set, and what is wrong with it is told, all of it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import timedelta
from enum import Enum
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from penstock.engine.configuration import FaultySettings
from penstock.instruments import config as configs
from penstock.instruments.config import (
    CircuitBreakerSettings,
    IngestionConfig,
    InnovateConfig,
    JetDriveConfig,
    NoSourceConfig,
    RetrySettings,
    SourceConfig,
    register_source_config,
    source_kinds,
)
from penstock.instruments.ingestion_file import NoIngestionFile, get_ingestion_config, get_source_config
from penstock.model.errors import Misconfigured

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "ingestion-json.md").read_text()

OF_001 = """{
  "global_enabled": true,
  "log_level": "INFO",

  "queue": {
    "max_size": 10000,
    "batch_size": 100,
    "flush_interval_sec": 5.0,
    "persist_to_disk": false
  },

  "default_retry": {
    "max_attempts": 3,
    "initial_delay_sec": 0.1,
    "max_delay_sec": 30.0,
    "exponential_base": 2.0,
    "jitter": true
  },

  "default_circuit_breaker": {
    "failure_threshold": 5,
    "success_threshold": 2,
    "timeout_sec": 60.0
  },

  "jetdrive": {
    "multicast_group": "224.0.2.10",
    "port": 22344,
    "discovery_timeout_sec": 3.0,
    "auto_reconnect": true
  },

  "innovate": {
    "baudrate": 19200,
    "device_type": "AUTO",
    "channels": [1, 2],
    "auto_reconnect": true
  }
}
"""

OTHERS: Mapping[str, Any] = {
    "log_level": "ERROR",
    "queue.overflow": "block",
    "queue.persist_path": "elsewhere",
    "queue.retry_delay_sec": 0.2,
    "default_circuit_breaker.max_timeout_sec": 99.0,
    "default_circuit_breaker.minimum_calls": 7,
    "default_circuit_breaker.failure_rate": 0.25,
    "default_circuit_breaker.slow_call_rate": 0.25,
    "jetdrive.multicast_group": "239.255.60.60",
    "jetdrive.interface": "192.168.1.5",
    "innovate.device_type": "LC-2",
    "innovate.channels": [3],
}
"""Values that are not the default, for keys for which one cannot be made up."""


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test makes known is forgotten after it."""
    monkeypatch.setattr(configs, "_KINDS", dict(configs._KINDS))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the file is looked for."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    return tmp_path / "config" / "ingestion.json"


def keys(kind: type, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every key of a table, and its default."""
    for one in fields(kind):
        default = getattr(kind(), one.name)
        if is_dataclass(default):
            yield from keys(type(default), f"{path}{one.name}.")
        elif one.name != "sources" and one.name not in ("retry", "circuit_breaker", "validation"):
            yield f"{path}{one.name}", default


ALL = [*keys(IngestionConfig), *keys(JetDriveConfig, "jetdrive."), *keys(InnovateConfig, "innovate.")]


def other(key: str, default: Any) -> Any:  # noqa: ANN401 - whatever the key takes
    """A value that is not the default."""
    if key in OTHERS:
        return OTHERS[key]
    return not default if isinstance(default, bool) else default + 1


def set_at(config: IngestionConfig, key: str) -> object:
    """What a configuration has for a key."""
    name, _, rest = key.partition(".")
    at: Any = config.get_source_config(name) if name in source_kinds() else getattr(config, name)
    return getattr(at, rest) if rest else at


@pytest.mark.parametrize(("key", "default"), ALL, ids=[key for key, _ in ALL])
def test_each_key_is_set_by_the_file(key: str, default: object, file: Path) -> None:
    """Alone in the file it is what it says, and everything else is as without a file."""
    value = other(key, default)
    name, _, rest = key.partition(".")
    file.write_text(json.dumps({name: {rest: value} if rest else value}))

    config, plain = get_ingestion_config(), IngestionConfig()

    assert value != default
    assert set_at(config, key) == (tuple(value) if isinstance(value, list) else value)
    assert {one for one, _ in ALL if set_at(config, one) != set_at(plain, one)} == {key}


def test_the_file_of_document_001_is_read_as_it_is(file: Path) -> None:
    """It says the defaults, so that without a file it is the same."""
    file.write_text(OF_001)

    config = get_ingestion_config()

    assert {key: set_at(config, key) for key, _ in ALL} == {key: set_at(IngestionConfig(), key) for key, _ in ALL}
    assert config.get_source_config("jetdrive") == JetDriveConfig() == get_source_config("jetdrive")


def test_the_file_on_the_page_has_every_default(file: Path) -> None:
    """What the reference shows is read, and is what stands without it; each key is on the page."""
    file.write_text(re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0])

    config = get_ingestion_config()

    assert {key: set_at(config, key) for key, _ in ALL} == {key: set_at(IngestionConfig(), key) for key, _ in ALL}
    ours = [key for key, _ in ALL if not key.startswith("queue.")]
    assert [key for key in ours if f"`{key.rpartition('.')[2]}`" not in PAGE and f"`{key}`" not in PAGE] == []


def test_every_fault_is_told_at_once(file: Path) -> None:
    """With its place, what was expected and the default; one fault does not hide another."""
    file.write_text("""{
      "global_enabled": 1, "log_level": "LOUD", "quue": {},
      "queue": {"max_size": 0, "overflow": "drop"},
      "default_retry": {"max_attempts": 0, "jitter": "no", "initial_delay_sec": Infinity, "exponential_base": 0.5},
      "default_circuit_breaker": [],
      "validation": {"strict": true},
      "jetdrive": {"port": 70000, "multicast_group": "10.0.0.1", "prot": 1, "retry": {"max_attempts": NaN}, "auto_reconnect": true,
                   "auto_reconnect": false},
      "innovate": {"channels": [1, "a"], "device_type": "\\ud800", "baudrate": true}
    }""")

    with pytest.raises(FaultySettings) as caught:
        get_ingestion_config()

    assert sorted(fault.removeprefix("config/ingestion.json: ") for fault in caught.value.faults) == sorted([
        "jetdrive.auto_reconnect: this key is there twice",
        "jetdrive.port: expected `int` <= 65535; the default is 22344",
        "jetdrive.prot: there is no such key; did you mean `port`?",
        "jetdrive.retry.max_attempts: expected `int`, got `float`; the default is 3",
        "jetdrive: multicast_group is to be an IPv4 address from 224.0.0.0 to 239.255.255.255",
        "innovate.channels: expected `int`, got `str` - at `$[1]`; the default is [1, 2]",
        "innovate.device_type: expected 'AUTO' or 'DLG-1' or 'LC-2'; the default is \"AUTO\"",
        "innovate.baudrate: expected `int`, got `bool`; the default is 19200",
        "global_enabled: expected `bool`, got `int`; the default is true",
        "log_level: expected 'DEBUG' or 'INFO' or 'WARNING' or 'ERROR' or 'CRITICAL'; the default is \"INFO\"",
        "quue: there is no such key; did you mean `queue`?; `register_source_config` makes the table of another source known",
        "queue: max_size must be at least 1, and is 0",
        "queue.overflow: expected 'block' or 'shed_lowest' or 'spill'",
        "default_retry.max_attempts: expected `int` >= 1; the default is 3",
        "default_retry.jitter: expected `bool`, got `str`; the default is true",
        "default_retry.initial_delay_sec: expected `float` <= 1000000000.0; the default is 0.1",
        "default_retry.exponential_base: expected `float` >= 1.0; the default is 2.0",
        "default_circuit_breaker: this is to be an object, { ... }",
        "validation.strict: there is no such key; did you mean `strict_mode`?",
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"queue":\n  oops}', "config/ingestion.json, line 2: this is no JSON: expecting value"),
        (b'{"log_level": "\xff"}', "config/ingestion.json: this is not UTF-8"),
        (b"[]", "config/ingestion.json: this is to be an object, { ... }"),
        (b"[" * 100_000, "config/ingestion.json: it is nested too deeply"),
        (
            b'{"queue": {"max_size": ' + b"9" * 5_000 + b"}}",
            "config/ingestion.json: it is nested too deeply, or a number in it has too many",
        ),
    ],
)
def test_what_is_no_object_of_json_is_told(text: bytes, said: str, file: Path) -> None:
    """With its line, where there is one."""
    file.write_bytes(text)

    with pytest.raises(FaultySettings, match=re.escape(said)):
        get_ingestion_config()


def test_a_byte_order_mark_is_no_fault(file: Path) -> None:
    """Editors on Windows write one."""
    file.write_bytes(b"\xef\xbb\xbf" + OF_001.encode())

    assert get_ingestion_config().log_level == "INFO"


def test_which_file_is_read(file: Path, tmp_path: Path) -> None:
    """Without one the defaults stand; one that is named has to be there; one that cannot be read is told."""
    assert set_at(get_ingestion_config(), "queue.max_size") == 10_000
    with pytest.raises(NoIngestionFile, match=r"other\.json: No such file"):
        get_ingestion_config(tmp_path / "other.json")
    file.mkdir()
    with pytest.raises(NoIngestionFile, match="Is a directory"):
        get_ingestion_config()


def test_the_file_is_read_each_time(file: Path) -> None:
    """What somebody has changed stands for the next client."""
    file.write_text('{"log_level": "DEBUG"}')
    assert get_ingestion_config().log_level == "DEBUG"
    file.write_text('{"log_level": "ERROR"}')
    assert get_ingestion_config().log_level == "ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class GaugeConfig(SourceConfig):
    """A source of a test."""

    device: str = "/dev/ttyUSB0"


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedyConfig(SourceConfig):
    """A source that cannot do without something."""

    device: str


@dataclass
class Loose:
    """No source."""

    device: str = ""


def test_a_source_of_ones_own_has_a_table(file: Path) -> None:
    """Once it is made known; before, its table is a fault."""
    file.write_text('{"gauge": {"device": "/dev/ttyS1", "retry": {"max_attempts": 9}}}')
    with pytest.raises(FaultySettings, match=r"gauge: there is no such key.*`register_source_config` makes"):
        get_ingestion_config()

    register_source_config("gauge", GaugeConfig)
    register_source_config("gauge", GaugeConfig)

    assert get_source_config("gauge") == GaugeConfig(device="/dev/ttyS1", retry=RetrySettings(max_attempts=9))
    assert IngestionConfig().get_source_config("gauge") == GaugeConfig()
    assert IngestionConfig().get_source_config("unheard of") == SourceConfig()


class Mode(Enum):
    """How a source of a test works."""

    FAST = "fast"
    SLOW = "slow"


@dataclass(frozen=True, slots=True, kw_only=True)
class RichConfig(SourceConfig):
    """A source whose settings are of many types."""

    device: Path = Path("/dev/ttyS0")
    spare: Path | None = None
    address: IPv4Address = field(default_factory=lambda: IPv4Address("127.0.0.1"))
    mode: Mode = Mode.FAST
    every: timedelta = timedelta(seconds=1)
    names: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        SourceConfig.__post_init__(self)
        if len(self.names) > 2:
            raise ValueError("there are more than two names")


def test_settings_of_many_types(file: Path) -> None:
    """Paths, addresses, choices and times are written as text; what does not fit is told with the default, whatever that is."""
    register_source_config("rich", RichConfig)
    paths = {"device": "/dev/ttyS1", "spare": "/dev/ttyS2"}
    file.write_text(json.dumps({"rich": paths | {"address": "10.0.0.7", "mode": "slow", "every": "PT2S", "names": {"a": 1}}}))

    assert get_source_config("rich") == RichConfig(
        device=Path("/dev/ttyS1"), spare=Path("/dev/ttyS2"), address=IPv4Address("10.0.0.7"), mode=Mode.SLOW,
        every=timedelta(seconds=2), names={"a": 1.0},
    )  # fmt: skip

    file.write_text('{"rich": {"device": 5, "spare": 6, "address": "ten", "mode": "late", "every": 7, "names": {"a": 1, "b": 2, "c": 3}}}')
    with pytest.raises(FaultySettings) as caught:
        get_ingestion_config()
    told = [fault.removeprefix("config/ingestion.json: rich") for fault in caught.value.faults]

    assert [fault.partition(": ")[0] for fault in told] == [".device", ".spare", ".address", ".mode", ".every", ""]
    assert told[0].endswith('; the default is "/dev/ttyS0"')
    assert told[3].endswith('; the default is "fast"')
    assert told[5] == ": there are more than two names"


@pytest.mark.parametrize(
    ("name", "kind"),
    [(5, GaugeConfig), (None, GaugeConfig), (" ", GaugeConfig), ("gauge", GaugeConfig()), ("gauge", None), ("gauge", "GaugeConfig")],
)
def test_what_is_no_table_at_all(name: Any, kind: Any) -> None:  # noqa: ANN401 - whatever somebody may write there
    """A name that says nothing, or an instance where its class belongs."""
    with pytest.raises(NoSourceConfig):
        register_source_config(name, kind)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("gauge", Loose), ("queue", GaugeConfig), ("jetdrive", GaugeConfig), ("gauge", NeedyConfig), ("sources", GaugeConfig)],
)
def test_what_cannot_be_the_table_of_a_source(name: str, kind: type) -> None:
    """No subclass of `SourceConfig`, a name that is taken, or a key without a default."""
    with pytest.raises(NoSourceConfig, match=f"{name}: {kind.__name__}"):
        register_source_config(name, kind)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: RetrySettings(max_attempts=0, jitter="x"), "max_attempts: expected `int` >= 1"),  # type: ignore[arg-type]
        (lambda: RetrySettings(initial_delay_sec=31), "initial_delay_sec is longer than max_delay_sec"),
        (lambda: CircuitBreakerSettings(timeout_sec=9, max_timeout_sec=8), "max_timeout_sec is shorter than timeout_sec"),
        (lambda: CircuitBreakerSettings(window_calls=9), "window_calls is less than minimum_calls"),
        (lambda: JetDriveConfig(interface="eth0"), "interface is to be the IPv4 address"),
        (lambda: JetDriveConfig(multicast_group="somewhere"), "multicast_group is to be"),
        (lambda: InnovateConfig(channels=(1, 1)), "channels has one of them twice"),
        (lambda: IngestionConfig(log_level="LOUD"), "log_level: expected 'DEBUG'"),  # type: ignore[arg-type]
        (lambda: IngestionConfig(global_enabled="no"), "global_enabled: expected `bool`"),  # type: ignore[arg-type]
        (lambda: IngestionConfig(queue={"max_size": 5}), "queue: expected `QueueSettings`"),  # type: ignore[arg-type]
        (lambda: IngestionConfig(default_retry=None), "default_retry: expected `RetrySettings`"),  # type: ignore[arg-type]
        (lambda: IngestionConfig(sources={"ecu": {"port": 5}}), "sources: ecu can only be a `SourceConfig`"),  # type: ignore[dict-item]
        (lambda: IngestionConfig(sources=None), "sources: each can only be a `SourceConfig`"),  # type: ignore[arg-type]
        (lambda: SourceConfig(auto_reconnect="no"), "auto_reconnect: expected `bool`"),  # type: ignore[arg-type]
        (lambda: JetDriveConfig(retry={"max_attempts": 5}), "retry: expected `RetrySettings`"),  # type: ignore[arg-type]
        (lambda: GaugeConfig(device=5), "device: expected `str`"),  # type: ignore[arg-type]
    ],
)
def test_settings_made_in_python_are_looked_at_as_well(make: Any, said: str) -> None:  # noqa: ANN401 - any of the above
    """The same is wrong there."""
    with pytest.raises(Misconfigured, match=re.escape(said)):
        make()


def test_all_that_is_wrong_of_one_table_is_told_at_once(file: Path) -> None:
    """In Python and in the file: what is wrong of one setting, and of two together."""
    faults: dict[type, dict[str, Any]] = {
        CircuitBreakerSettings: {"timeout_sec": 9, "max_timeout_sec": 8, "window_calls": 7, "failure_rate": 2},
        JetDriveConfig: {"multicast_group": "somewhere", "interface": "eth0", "port": 0},
        RetrySettings: {"max_attempts": 2.5, "initial_delay_sec": 31},
        InnovateConfig: {"channels": (1, 1), "baudrate": 0},
    }
    said = set[str]()
    for kind, settings in faults.items():
        with pytest.raises(FaultySettings) as caught:
            kind(**settings)
        assert len(caught.value.faults) == len(settings) - (kind is CircuitBreakerSettings)
        said |= set(caught.value.faults)
    names = ("default_circuit_breaker", "jetdrive", "default_retry", "innovate")
    file.write_text(json.dumps(dict(zip(names, faults.values(), strict=True))))

    with pytest.raises(FaultySettings) as caught:
        get_ingestion_config()

    told = " ".join(caught.value.faults)
    assert len(caught.value.faults) == len(said) == 10
    assert [one for one in said if one.partition(": expected")[0] not in told] == []


@pytest.mark.parametrize("wrong", [True, math.nan, math.inf, -1, 0, "5", None])
@pytest.mark.parametrize("name", ["max_attempts", "initial_delay_sec", "max_delay_sec", "exponential_base"])
def test_a_setting_of_another_kind_is_told_by_its_name(name: str, wrong: Any) -> None:  # noqa: ANN401 - whatever somebody may write there
    """Booleans, NaN, infinity, less than nothing, nothing at all."""
    with pytest.raises(FaultySettings, match=f"{name}: expected"):
        RetrySettings(**{name: wrong})


def test_the_breaker_gets_every_setting() -> None:
    """None of the keys is left behind on the way to the breaker."""
    settings = CircuitBreakerSettings(2, 3, 4, 5, 6, 700, 8, 9, 0.1, 0.2, 11).core()

    assert (settings.failures, settings.successes, settings.open_s, settings.cap_open_s, settings.probes) == (2, 3, 4, 5, 6)
    assert (settings.window_calls, settings.window_s, settings.minimum_calls) == (700, 8, 9)
    assert (settings.failure_rate, settings.slow_rate, settings.slow_s) == (0.1, 0.2, 11)
    assert CircuitBreakerSettings(timeout_sec=7).core().cap_open_s == 70
