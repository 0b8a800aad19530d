"""Machines in the states that the two commands meet."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .machine import Machine, make_machine

CHECK = """\
#!/bin/sh
command="${0##*/} $*"
echo "$command" >>"$JOURNAL"
echo "scale ${PENSTOCK_TEST_SCALE:-unset}"
case "$command" in *pytest*) echo "=== 3 passed in 0.01s ===" ;; esac
case "$command" in *"${BROKEN:-nothing at all}"*) exit 1 ;; esac
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A checkout under a path with spaces, on a machine without Python."""
    return make_machine(tmp_path)


@pytest.fixture
def prepared(machine: Machine) -> Machine:
    """A machine on which the first start is over."""
    machine.add_python()
    assert machine.run().returncode == 0
    machine.journal()
    return machine


@pytest.fixture
def readable() -> Iterator[Machine]:
    """A machine whose checkout everybody may read and nobody may write but its owner."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        machine = make_machine(Path(folder))
        for place in (machine.checkout, machine.checkout.parent, machine.checkout / "requirements"):
            place.chmod(0o555)
        yield machine
        machine.checkout.chmod(0o755)
        machine.checkout.parent.chmod(0o755)
        (machine.checkout / "requirements").chmod(0o755)


@pytest.fixture
def checks(prepared: Machine) -> Machine:
    """A machine whose checks only write down that they ran, and fail where BROKEN names them."""
    for tool in ("ruff", "mypy", "lint-imports", "coverage", "pytest"):
        stub = prepared.venv / "bin" / tool
        stub.write_text(CHECK)
        stub.chmod(0o755)
    assert prepared.run(script="run-tests.sh").returncode == 0
    prepared.journal()
    return prepared
