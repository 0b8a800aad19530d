"""A process of its own that starts servers; started by the tests, killed by them, and run as another user where one is named.

Commands come as lines on stdin (`start`, `start kept`, `stop`, `restart`), answers go as lines of JSON to stdout. Everything is imported
before the change of user: the interpreter may lie where that user cannot go.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from penstock.model.errors import PenstockError
from penstock.stores.postgres.embedded import EmbeddedServer, EmbeddedSettings, Lifetime


def main(home: str, binaries: str, uid: int, gid: int) -> None:
    """Serve commands until stdin ends."""
    if uid != os.geteuid():
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    server = EmbeddedServer(EmbeddedSettings(Path(home), binaries=Path(binaries)))
    for line in sys.stdin:
        try:
            answer = obey(server, line.split())
        except PenstockError as error:
            answer = {"error": type(error).__name__, "text": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def obey(server: EmbeddedServer, words: list[str]) -> dict[str, object]:
    """Carry out one command."""
    match words:
        case ["start", *lifetime]:
            server.start(Lifetime(*(lifetime or ["run"])))
        case ["restart"]:
            return {"restarted": server.restart_if_dead(), "url": server.url}
        case _:
            server.stop()
            return {"stopped": True}
    return {"url": server.url, "owned": server.owned}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
