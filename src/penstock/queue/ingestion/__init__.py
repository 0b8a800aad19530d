"""The ingestion queue: priorities, leases, attempts and dead letters, on a log that keeps them over any crash."""

from penstock.queue.ingestion.errors import AlreadyProcessing, NotQueueable, QueueFull, StaleLease, TooManyFailures
from penstock.queue.ingestion.item import QueueItem, QueuePriority
from penstock.queue.ingestion.queue import IngestionQueue
from penstock.queue.ingestion.settings import QueueSettings
from penstock.queue.ingestion.stats import QueueStats

__all__ = [
    "AlreadyProcessing",
    "IngestionQueue",
    "NotQueueable",
    "QueueFull",
    "QueueItem",
    "QueuePriority",
    "QueueSettings",
    "QueueStats",
    "StaleLease",
    "TooManyFailures",
]
