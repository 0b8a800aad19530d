"""In-memory ends: a source, a sink and checkpoints that live as long as the process."""

from penstock.stores.memory.checkpoints import MemoryCheckpoints
from penstock.stores.memory.sink import MemorySink
from penstock.stores.memory.source import MemorySource

__all__ = ["MemoryCheckpoints", "MemorySink", "MemorySource"]
