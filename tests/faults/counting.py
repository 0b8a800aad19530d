"""A client whose source counts, into a queue on disk: `python -m tests.faults.counting FOLDER FIRST`. It says how far the queue has it."""

from __future__ import annotations

import sys
import time

from penstock.instruments import BaseIngestionClient, DataSample, IngestionConfig, QueueSettings, ValidationResult


class Counting(BaseIngestionClient[DataSample]):
    """Reads numbers from `first` on, and stumbles now and then."""

    first = 0
    calls = 0

    def _connect_impl(self) -> bool:
        return True

    def _disconnect_impl(self) -> None:
        pass

    def _read_impl(self) -> DataSample:
        self.calls += 1
        if self.calls % 500 == 0:
            raise OSError("the cable is loose")
        self.first += 1
        return DataSample(self.first - 1, "count", "number", float(self.first - 1))

    def _validate_sample(self, sample: DataSample) -> ValidationResult:
        return sample.validate(self.validation)


if __name__ == "__main__":
    settings = QueueSettings(persist_to_disk=True, persist_path=sys.argv[1])
    client = Counting("count", config=IngestionConfig(queue=settings, log_level="CRITICAL"))
    client.first = int(sys.argv[2])
    client.start_reading()
    while True:
        print(client.get_stats().samples_processed, flush=True)  # noqa: T201 - read by the test
        time.sleep(0.0002)
