"""Sources for tests of clients."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Event

from penstock.instruments.client import BaseIngestionClient
from penstock.instruments.config import IngestionConfig
from penstock.instruments.samples import DataSample
from penstock.instruments.validation import ValidationResult
from penstock.queue.ingestion import IngestionQueue
from penstock.reliability.breakers import Breakers
from tests.unit.instruments.hands import Hands

Step = DataSample | Exception | None


def rpm(value: float | None, channel: str = "rpm", time_ms: int = 0) -> DataSample:
    """A sample of the engine's speed."""
    return DataSample(time_ms, "ecu", channel, value)


class Scripted(BaseIngestionClient[DataSample]):
    """Does what a script says, and says when it is through; after that nothing comes until it is stopped."""

    def __init__(
        self,
        steps: Iterable[Step] = (),
        config: IngestionConfig | None = None,
        queue: IngestionQueue | None = None,
        *,
        breakers: Breakers | None = None,
        hands: Hands | None = None,
    ) -> None:
        self.hands = hands or Hands()
        self.steps = list(steps)
        self.through, self.stopping = Event(), Event()
        self.connects: list[bool | Exception] = []
        self.calls: list[str] = []
        super().__init__("ecu", config=config or IngestionConfig(), queue=queue, breakers=breakers, timing=self.hands.timing)

    def _connect_impl(self) -> bool:
        self.calls.append("connect")
        answer = self.connects.pop(0) if self.connects else True
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _disconnect_impl(self) -> None:
        self.calls.append("disconnect")

    def _read_impl(self) -> DataSample | None:
        if not self.steps:
            self.through.set()
            self.stopping.wait(10)
            return None
        step = self.steps.pop(0)
        if isinstance(step, BaseException):
            raise step
        return step

    def _validate_sample(self, sample: DataSample) -> ValidationResult:
        return sample.validate(self.validation)

    def start_reading(self) -> None:
        """As any client."""
        self.stopping.clear()
        super().start_reading()

    def stop_reading(self, timeout_s: float = 10.0) -> None:
        """As any client; nothing keeps the reader waiting."""
        self.stopping.set()
        super().stop_reading(timeout_s)

    def read_through(self) -> None:
        """Read the whole script, and stop."""
        self.through.clear()
        self.start_reading()
        assert self.through.wait(10)
        self.stop_reading()
