"""What a failure of PostgreSQL means to the engine, by SQLSTATE class (PostgreSQL manual, appendix A)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from penstock.model.errors import EXIT_USAGE, Fatal, Misconfigured, PenstockError, Transient, TryLater


class DatabaseUnreachable(Transient):
    """The database did not answer."""

    default_hint = "Is it running? Once it is, run the same command again: it goes on where it stopped."


class DatabaseRefuses(Misconfigured):
    """The database does not let us in."""

    default_hint = "Check user, password and database name of DATABASE_URL."


class UnusableAddress(Misconfigured):
    """The address of the database cannot be read."""

    default_hint = "DATABASE_URL looks like postgresql://user:password@host:5432/database; special characters of the password as %XX."


class NoPermission(Fatal):
    """The database role may not do this."""

    exit_code = EXIT_USAGE
    default_hint = "The role of DATABASE_URL needs CREATE on the database (for the schema penstock) and on the table's schema."


class DatabaseFull(TryLater):
    """The database has no room left."""

    default_hint = "Free some space on its disk, then run the same command again: it goes on where it stopped."


class DatabaseFailed(Fatal):
    """The database cannot do what was asked."""


class KeyTaken(Fatal):
    """A row with this key is stored already."""


PASSING = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
    asyncpg.TooManyConnectionsError,
    asyncpg.LockNotAvailableError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # its connection was cut in the middle of an exchange
    ConnectionError,
    TimeoutError,
)


@contextmanager
def translated() -> Iterator[None]:
    """Turn what asyncpg and the socket raise into errors of ours."""
    try:
        yield
    except PenstockError:
        raise
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        raise DatabaseRefuses(str(error)) from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise NoPermission(str(error)) from error
    except (asyncpg.DiskFullError, asyncpg.OutOfMemoryError) as error:
        raise DatabaseFull(str(error)) from error
    except asyncpg.UniqueViolationError as error:
        raise KeyTaken(str(error)) from error
    except PASSING as error:
        raise DatabaseUnreachable(str(error) or type(error).__name__) from error
    except asyncpg.PostgresError as error:
        raise DatabaseFailed(f"{error} (SQLSTATE {error.sqlstate})") from error
    except OSError as error:
        raise DatabaseUnreachable(str(error)) from error
