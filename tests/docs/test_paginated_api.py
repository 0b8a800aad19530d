"""What the pages about the HTTP source show works as it stands there."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from penstock.engine.configuration import checked
from penstock.stores.http.settings import Auth, CursorPaging, HttpSettings, OffsetPaging, PagePaging, TimeFilter

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = (DOCS / "reference" / "ends" / "http.md").read_text()
HOW_TO = (DOCS / "how-to" / "paginated-api.md").read_text()


def blocks(page: str, language: str) -> list[str]:
    """The code of a page in one language."""
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


@pytest.mark.parametrize("block", blocks(REFERENCE, "toml") + blocks(HOW_TO, "toml"))
def test_every_example_is_read(block: str) -> None:
    """Each example is a source without a fault."""
    source = tomllib.loads(block)["source"]

    assert source.pop("type") == "http"
    assert isinstance(checked(HttpSettings, source), HttpSettings)
    assert source.keys() <= {field.name for field in fields(HttpSettings)}


@pytest.mark.parametrize("kind", [HttpSettings, Auth, CursorPaging, PagePaging, OffsetPaging, TimeFilter])
def test_every_key_is_explained(kind: type) -> None:
    """The reference has every key that there is."""
    assert [field.name for field in fields(kind) if f"`{field.name}`" not in REFERENCE] == []


def test_the_how_to(tmp_path: Path) -> None:
    """Its commands, one after the other, do what the text says."""
    orders, changes = blocks(HOW_TO, "toml")
    (tmp_path / "penstock").write_text(f'#!/bin/sh\nexec {sys.executable} -m penstock "$@"\n')
    (tmp_path / "penstock").chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    for name, text in (("orders.toml", orders), ("changes.toml", changes)):
        (tmp_path / name).write_text(text.replace("8765", port))
    script = "set -e\n" + "".join(blocks(HOW_TO, "sh")).replace("8765", port)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PENSTOCK_HOME": str(tmp_path / "home"), "PENSTOCK_PORT": "0"}

    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False)  # noqa: S607

    assert done.returncode == 0, done.stderr
    assert "500 orders.jsonl" in done.stdout
    assert "Nothing new: 500 rows were stored before" in done.stdout
    assert len((tmp_path / "changes.jsonl").read_text().splitlines()) == 500
