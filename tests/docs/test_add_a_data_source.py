"""The how-to on adding a data source does what it says: its code is taken out of it and run."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from penstock.instruments import HealthSettings

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "add-a-data-source.md").read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of the page."""
    for name, text in re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE, re.DOTALL):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "boost" / "__init__.py").touch()
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    """Of a process that finds the files first."""
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}


def test_the_tests_of_the_page_pass(folder: Path) -> None:
    """The page's own tests, the gauge's being switched off among them."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_boost.py"]

    tests = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False, timeout=60)

    assert tests.returncode == 0, tests.stdout
    assert "7 passed" in tests.stdout


def test_the_program_of_the_page_captures(folder: Path) -> None:
    """With its settings from `config/ingestion.json`: readings become points, one line is refused, and every one of them is counted."""
    (settings,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    with socket.create_server(("127.0.0.1", 0)) as gauge:
        (folder / "config").mkdir()
        (folder / "config" / "ingestion.json").write_text(settings.replace("4000", str(gauge.getsockname()[1])))
        with subprocess.Popen(
            [sys.executable, "-u", "capture.py"],
            cwd=folder,
            env=environment(folder),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as program:
            connection, _ = gauge.accept()
            connection.sendall(b"0 14.7\nnonsense\n1250 21.7\n")
            assert program.stdout is not None
            points = [program.stdout.readline() for _ in range(2)]
            said, errors = program.communicate("\n", timeout=60)
            connection.close()

    assert program.returncode == 0, errors
    assert ["timestamp_ms=1250" in points[1], "map_kpa=149.6" in points[1], "rpm=None" in points[1]] == [True, True, True]
    assert "'healthy': True" in said
    assert said.splitlines()[-2:] == ["3 received: 2 queued, 1 refused, 0 dropped", "{'This line is no reading': 1}"]
    assert (folder / "data" / "ingestion_queue").is_dir()


def test_the_page_has_every_setting_of_health() -> None:
    """With its default, apart from the bound on channels that are kept account of."""
    defaults = {field.name: field.default for field in fields(HealthSettings) if field.name != "channels"}

    assert [name for name, value in defaults.items() if f"(`{name} = {value:g}`)" not in PAGE] == []
