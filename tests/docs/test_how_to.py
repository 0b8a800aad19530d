"""The how-to pages do what they say: their code is taken out of them and run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "write-a-source.md").read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of the page, and a distribution that has its entry points."""
    blocks = re.findall(r"```(?:python|toml)\n# (\S+)\n(.*?)```", PAGE, re.DOTALL)
    for name, text in blocks:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "weblog" / "__init__.py").touch()
    (tmp_path / "access.log").write_text("".join(f"host{number % 3} /page/{number}\n" for number in range(500)) + "oops\n")
    made = tmp_path / "weblog-1.0.dist-info"
    made.mkdir()
    (made / "METADATA").write_text("Metadata-Version: 2.1\nName: weblog\nVersion: 1.0\n")
    points = next(text for text in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if "entry-points" in text)
    groups = tomllib.loads(points)["project"]["entry-points"]
    lines = [f"[{group}]\n" + "".join(f"{name} = {place}\n" for name, place in ends.items()) for group, ends in groups.items()]
    (made / "entry_points.txt").write_text("\n".join(lines))
    return tmp_path


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A command in the folder, which also is where Python looks first."""
    paths = os.pathsep.join([str(folder), *sys.path])
    environment = os.environ | {"PYTHONPATH": paths, "PENSTOCK_HOME": str(folder / "home"), "PENSTOCK_PORT": "0"}
    return subprocess.run([sys.executable, "-m", *command], cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_ends_of_the_page_keep_the_contracts(folder: Path) -> None:
    """The suites that the page subclasses pass."""
    tests = run(folder, "pytest", "-q", "-p", "no:cacheprovider", "test_weblog.py")

    assert tests.returncode == 0, tests.stdout
    assert re.search(r"\b\d\d passed", tests.stdout)


def test_the_ends_of_the_page_carry_a_pipeline(folder: Path) -> None:
    """They are found by entry point, checked and run; the odd line is a dead letter."""
    checked, carried = run(folder, "penstock", "check", "pages.toml"), run(folder, "penstock", "run", "pages.toml")

    assert (checked.returncode, carried.returncode) == (0, 0), checked.stderr + carried.stderr
    assert " 501 records received: 500 stored, 1 rejected." in carried.stdout
    assert len(list((folder / "pages").iterdir())) == 500
