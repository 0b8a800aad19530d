"""What a failure of PostgreSQL means to the engine, by SQLSTATE class (PostgreSQL manual, appendix A)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from penstock.model.errors import EXIT_USAGE, Fatal, Misconfigured, PenstockError, Refused, Transient, TryLater


class DatabaseUnreachable(Transient):
    """The database did not answer."""

    default_hint = "Is it running? Once it is, run the same command again: it goes on where it stopped."


class DatabaseRefuses(Misconfigured):
    """The database does not let us in."""

    default_hint = "Check user, password and database name of the address."


class UnusableAddress(Misconfigured):
    """The address of the database cannot be read."""

    default_hint = "It looks like postgresql://user:password@host:5432/database; special characters of the password as %XX."


class NoPermission(Fatal):
    """The database role may not do this."""

    exit_code = EXIT_USAGE
    default_hint = (
        "To write, the role needs CREATE on the database (for the schema penstock) and on the table's schema; to read, SELECT on the table."
    )


class DatabaseFull(TryLater):
    """The database has no room left."""

    default_hint = "Free some space on its disk, then run the same command again: it goes on where it stopped."


class DatabaseFailed(Fatal):
    """The database cannot do what was asked."""


class TurnedAway(Refused):
    """The table turns this row away."""


class KeyTaken(TurnedAway):
    """A row with this key is stored already."""


MEANINGS: tuple[tuple[tuple[type[Exception], ...], type[PenstockError]], ...] = (
    ((asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError), DatabaseRefuses),
    ((asyncpg.InsufficientPrivilegeError,), NoPermission),
    ((asyncpg.DiskFullError, asyncpg.OutOfMemoryError), DatabaseFull),
    ((asyncpg.UniqueViolationError,), KeyTaken),
    ((asyncpg.BadCopyFileFormatError, asyncpg.InvalidBinaryRepresentationError), DatabaseFailed),  # our own fault, not that of a row
    ((asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError), TurnedAway),
    (
        (
            asyncpg.PostgresConnectionError,
            asyncpg.OperatorInterventionError,
            asyncpg.TransactionRollbackError,
            asyncpg.TooManyConnectionsError,
            asyncpg.LockNotAvailableError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,  # its connection was cut in the middle of an exchange
            OSError,
        ),
        DatabaseUnreachable,
    ),
)
"""What decides, the first that fits; what is left is `DatabaseFailed`."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn what asyncpg and the socket raise into errors of ours."""
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
        kind = next((kind for classes, kind in MEANINGS if isinstance(error, classes)), DatabaseFailed)
        state = f" (SQLSTATE {getattr(error, 'sqlstate', None)})" if kind is DatabaseFailed else ""
        raise kind((str(error) or type(error).__name__) + state) from error
