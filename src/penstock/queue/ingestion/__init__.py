"""The ingestion queue: priorities, leases, attempts and dead letters, on a log that keeps them over any crash."""

from penstock.queue.ingestion.errors import AlreadyProcessing, NotAQueue, NotQueueable, QueueFull, StaleLease, TooManyFailures
from penstock.queue.ingestion.item import QueueItem, QueuePriority
from penstock.queue.ingestion.queue import IngestionQueue, is_queue
from penstock.queue.ingestion.settings import QueueSettings
from penstock.queue.ingestion.stats import QueueStats

__all__ = [
    "AlreadyProcessing",
    "IngestionQueue",
    "NotAQueue",
    "NotQueueable",
    "QueueFull",
    "QueueItem",
    "QueuePriority",
    "QueueSettings",
    "QueueStats",
    "StaleLease",
    "TooManyFailures",
    "is_queue",
]
