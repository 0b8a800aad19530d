"""The command line: a table of commands, each imported only when it is called."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

from penstock import __version__
from penstock.model.errors import EXIT_USAGE, PenstockError
from penstock.model.redaction import redacted

COMMANDS = {
    "extract": "pull the events of an API into PostgreSQL, and prove that none is missing",
    "init": "write an example pipeline, with data, to start from",
    "list": "the pipelines of a folder, and how their last runs ended",
    "check": "everything that is wrong with a pipeline file; dials both ends",
    "plan": "what a run would read, and what is stored already",
    "run": "run a pipeline from its file: any source to any sink",
    "dead": "look at records that could not be stored, try them again, clear them",
    "queue": "what a queue on disk has done and what it holds, and what waits in it",
    "state": "what is stored of each pipeline, who is at work on it, and begin one from nothing",
    "db": "the embedded PostgreSQL: its address, a shell, start and stop",
    "simulate": "stand-ins for systems that nobody can install",
}

MODULES = {"list": "listing"}
"""Modules that are not called like their command: a module `list` would hide Python's own in here."""

EXIT_BY_SIGNAL = 128

USAGE = "usage: penstock [--version] COMMAND ...\n"

HELP = """{usage}
Penstock carries records into databases: nothing lost, nothing twice, and the proof at the end.

commands:
{commands}
`penstock COMMAND --help` says more.
Exit codes: 0 done, 1 failed, 2 usage or configuration, 75 try again later, 130 or 143 stopped by a signal after draining.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; the exit code."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's own threads, for matrices that we have not, would spin at every start
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        answer(_help())
        return 0 if arguments else EXIT_USAGE
    if arguments[0] == "--version":
        answer(f"penstock {__version__}\n")
        return 0
    if arguments[0] not in COMMANDS:
        sys.stderr.write(f"{USAGE}penstock: there is no command {arguments[0]!r}; see `penstock --help`\n")
        return EXIT_USAGE
    return _run(arguments[0], arguments[1:])


def _run(command: str, arguments: Sequence[str]) -> int:
    module = import_module(f"penstock.cli.{MODULES.get(command, command)}")
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog=f"penstock {command}", description=module.__doc__, formatter_class=form)
    module.add_arguments(parser)
    try:
        return int(module.run(parser.parse_args(arguments)))
    except KeyboardInterrupt:
        return EXIT_BY_SIGNAL + signal.SIGINT
    except PenstockError as error:
        tell(f"{error}\n  {error.hint}" if error.hint else str(error))
        return error.exit_code


def answer(data: str) -> None:
    """Write data to standard output; a reader that has gone away is no failure of ours."""
    try:
        sys.stdout.write(data)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except AttributeError:  # Python's way to say that it was started without one
        tell("there is no standard output to write the result to")


def tell(remark: str) -> None:
    """Say something on standard error, without passwords, if there is somebody to hear it."""
    with suppress(ValueError, AttributeError):
        try:
            sys.stderr.write(f"penstock: {redacted(remark)}\n")
            sys.stderr.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _help() -> str:
    commands = "".join(f"  {name:<10}{text}\n" for name, text in COMMANDS.items())
    return HELP.format(usage=USAGE, commands=commands)
