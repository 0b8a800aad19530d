"""Server settings, computed from the memory and the free disk of the machine."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

MEBIBYTE = 1 << 20
GIBIBYTE = 1 << 30
CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))

DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
LONELY = {"wal_level": "minimal", "max_wal_senders": "0", "max_logical_replication_workers": "0"}
ORDINARY = {"max_connections": "50", "jit": "off", "timezone": "UTC", "checkpoint_timeout": "15min"}
# Our own tables are in a schema of the account's name, where PostgreSQL would otherwise put everybody's.
PUBLIC = {"search_path": "public"}
PRIVATE = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "ssl": "off", "password_encryption": "scram-sha-256"}
# Statements, parameters and the rows behind an error stay out of the log: it is quoted in errors and may be sent to us.
TERSE = {
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
    "log_timezone": "UTC",
}


def memory_bytes(limits: tuple[Path, ...] = CGROUP_LIMITS) -> int:
    """The memory we may use: what the machine has, or less where a container has a limit."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in limits:
        with suppress(OSError, ValueError):  # no such file; or the word "max"
            memory = min(memory, int(limit.read_text()))
    return memory


def server_settings(memory: int, free_disk: int) -> dict[str, str]:
    """Settings for bulk loading that never trade away an acknowledged commit; `memory` and `free_disk` in bytes.

    Much write-ahead log between checkpoints saves writing whole pages again and again, so it gets a tenth of the free disk, at most 8 GB.
    """
    max_wal = _between(512 * MEBIBYTE, free_disk // 10, 8 * GIBIBYTE)
    sizes = {
        "shared_buffers": _between(32 * MEBIBYTE, memory // 8, GIBIBYTE),
        "effective_cache_size": max(128 * MEBIBYTE, memory // 2),
        "maintenance_work_mem": _between(32 * MEBIBYTE, memory // 32, 512 * MEBIBYTE),
        "work_mem": _between(4 * MEBIBYTE, memory // 512, 32 * MEBIBYTE),
        "max_wal_size": max_wal,
        "min_wal_size": _between(128 * MEBIBYTE, max_wal // 4, GIBIBYTE),
    }
    return DURABLE | LONELY | ORDINARY | PUBLIC | PRIVATE | TERSE | {name: f"{size >> 20}MB" for name, size in sizes.items()}


def _between(low: int, wanted: int, high: int) -> int:
    return max(low, min(wanted, high))
