"""The guarantees of `Log`, as tests: what was appended is read in order until everybody has released it, and no place is used twice."""

from penstock.testing.logs.bench import SETTINGS, WAIT_S, Hand, LogBench, bodies, fill, numbers, start, stretches
from penstock.testing.logs.suites import DurableLogSuite, LogSuite

__all__ = ["SETTINGS", "WAIT_S", "DurableLogSuite", "Hand", "LogBench", "LogSuite", "bodies", "fill", "numbers", "start", "stretches"]
