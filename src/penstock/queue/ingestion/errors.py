"""What can go wrong with a queue, besides what can go wrong with its log."""

from __future__ import annotations

from penstock.model.errors import Misconfigured, PenstockError, Refused, TryLater


class QueueFull(TryLater):
    """The queue is full."""

    default_hint = "Let it be processed faster, raise max_size, or choose overflow = 'spill', which keeps on disk what is past max_size."


class NotQueueable(Refused):
    """An item cannot be written down."""

    default_hint = "An item is a source (text) and data of None, bool, int, float, str, bytes, datetime, list and dict."


class StaleLease(PenstockError):
    """A lease has run out, and its items are with somebody else by now."""

    default_hint = "Extend leases while you work, take fewer items at once, or raise lease_timeout_sec."


class AlreadyProcessing(Misconfigured):
    """The queue is being processed already."""

    default_hint = "Call stop_processing() first."


class TooManyFailures(PenstockError):
    """Processing has stopped, because so many items went to the dead letters."""

    default_hint = "Find out why, start processing again, and then retry the dead letters."


class NotAQueue(Misconfigured):
    """The folder holds something else than an ingestion queue."""

    default_hint = "Name the folder that is `persist_path` of the queue, or an empty one for a new queue."


class QueueSettingsUnusable(Misconfigured):
    """The settings of a queue are not usable."""
