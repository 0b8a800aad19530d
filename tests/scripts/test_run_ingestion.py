"""`run-ingestion.sh` on machines of every sort."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess

import pytest

from .machine import ROOT, SCRIPTS, Machine

SHELLS = [shell for shell in ("sh", "dash", "bash") if shutil.which(shell)]


def test_a_fresh_machine_is_prepared_in_order(machine: Machine) -> None:
    """The first start makes .venv, installs only what hashes vouch for, then penstock itself, and says so on stderr alone."""
    machine.add_python()

    done = machine.run()

    made, pinned, itself = machine.journal()
    assert made == "venv"
    assert "--require-hashes" in pinned
    assert pinned.endswith("/with spaces/requirements/run.txt")
    assert itself.endswith("--no-deps --no-build-isolation --editable .")
    assert done.stdout == "<extract>\n"
    assert [line.split()[1] for line in done.stderr.splitlines()] == ["making", "installing"]


def test_a_second_start_prepares_nothing(prepared: Machine) -> None:
    """When .venv already holds the pins, the start is silent and asks neither venv nor pip."""
    done = prepared.run()

    assert done.stderr == ""
    assert prepared.journal() == []


def test_arguments_reach_extract_as_they_were_written(prepared: Machine) -> None:
    """Whatever stands behind the script's name stands behind `penstock extract`, spaces, quotes and empty words included."""
    done = prepared.run("--help", "two words", "", "it's", "*")

    assert done.stdout.splitlines() == ["<extract>", "<--help>", "<two words>", "<>", "<it's>", "<*>"]


@pytest.mark.parametrize("code", [0, 1, 2, 75, 130])
def test_the_exit_code_is_the_one_of_penstock(prepared: Machine, code: int) -> None:
    """The script ends as the program ends."""
    (prepared.venv / "bin/penstock").write_text(f"#!/bin/sh\nexit {code}\n")

    assert prepared.run().returncode == code


def test_signals_reach_penstock_because_it_is_the_same_process(prepared: Machine) -> None:
    """No shell stays between a supervisor and the program: the process id is the one that was started."""
    (prepared.venv / "bin/penstock").write_text("#!/bin/sh\necho $$\n")

    process = prepared.start()
    out, _ = process.communicate(timeout=60)

    assert int(out) == process.pid


def test_the_lock_and_the_settings_of_pip_do_not_leak_into_penstock(machine: Machine) -> None:
    """The program inherits neither the lock's descriptor nor variables that were meant for pip."""
    machine.add_python()

    done = machine.run(penstock='echo "${PIP_USER:-unset} ${PIP_NO_CACHE_DIR:-unset}"; (: >&9) 2>/dev/null || echo closed', HOME="")

    assert done.stdout.split() == ["unset", "unset", "closed"]


@pytest.mark.parametrize("file", ["requirements/run.txt", "pyproject.toml"])
def test_changed_pins_are_installed_into_the_same_venv(prepared: Machine, file: str) -> None:
    """A change of the pins, or of what penstock says of itself, is followed by pip at the next start, once, without a new .venv."""
    with (prepared.checkout / file).open("a") as changed:
        changed.write("# changed\n")

    first = prepared.run()

    assert first.returncode == 0
    assert [line.split()[0] for line in prepared.journal()] == ["pip", "pip"]
    assert prepared.run().stderr == ""


def test_an_interrupted_preparation_is_done_again_from_the_start(prepared: Machine) -> None:
    """What a kill left half made is not built upon."""
    (prepared.venv / "unfinished").touch()
    (prepared.venv / "run.filled").unlink()
    (prepared.venv / "rubble").touch()

    prepared.run()

    assert prepared.journal()[0] == "venv"
    assert not (prepared.venv / "rubble").exists()
    assert not (prepared.venv / "unfinished").exists()


def test_a_venv_that_was_moved_is_made_again(prepared: Machine) -> None:
    """The programs in .venv name the folder they were made in, so after a move of the checkout they are made anew."""
    elsewhere = prepared.checkout.rename(prepared.checkout.with_name("elsewhere"))

    done = Machine(elsewhere, prepared.path).run()

    assert done.returncode == 0
    assert prepared.journal()[0] == "venv"


def test_a_venv_whose_python_is_gone_is_made_again(prepared: Machine) -> None:
    """An interpreter that the system removed or replaced leaves a .venv that does not start; the next start heals it."""
    (prepared.venv / "bin/python").unlink()
    (prepared.venv / "bin/python").symlink_to("/nonexistent")

    done = prepared.run()

    assert done.returncode == 0
    assert prepared.journal()[0] == "venv"


def test_a_venv_made_by_hand_is_filled_not_replaced(prepared: Machine) -> None:
    """Somebody's own sound .venv keeps what else is in it."""
    (prepared.venv / "run.filled").unlink()
    (prepared.venv / "their-own").touch()

    prepared.run()

    assert [line.split()[0] for line in prepared.journal()] == ["pip", "pip"]
    assert (prepared.venv / "their-own").exists()


def test_two_starts_at_once_prepare_once(machine: Machine) -> None:
    """The second of two starts says that it waits, then finds the work done."""
    machine.add_python()
    with (machine.checkout / "requirements/run.txt").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        starts = [machine.start(), machine.start()]
        waiting = [start.stderr.readline() for start in starts if start.stderr]

    codes = [(start.communicate(timeout=60), start.returncode)[1] for start in starts]

    assert waiting == ["penstock: waiting for another start that is filling .venv\n"] * 2
    assert codes == [0, 0]
    assert [line.split()[0] for line in machine.journal()] == ["venv", "pip", "pip"]


def test_without_a_network_the_error_says_what_failed_and_to_try_again(machine: Machine) -> None:
    """What pip said is shown, with the way on; when the network is back the next start does it."""
    machine.add_python()

    done = machine.run(OFFLINE="yes")
    later = machine.run()

    assert done.returncode == 1
    assert "no route to host" in done.stderr
    assert "start again" in done.stderr
    assert later.returncode == 0


def test_python_without_venv_gets_the_package_named(machine: Machine) -> None:
    """Debian splits the venv module off; the error names the package that has it, for the very version found."""
    machine.add_python(tweak="sys.modules['ensurepip'] = None; sys.version_info = (3, 12, 5)")

    done = machine.run()

    assert done.returncode == 1
    assert "package python3.12-venv" in done.stderr
    assert not machine.venv.exists()


def test_an_old_python_is_refused_by_its_version(machine: Machine) -> None:
    """Python below 3.11 is named with its version and what is needed instead."""
    machine.add_python(tweak="sys.version_info = (3, 9, 2)")

    done = machine.run()

    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr
    assert "python3 is Python 3.9, too old" in done.stderr


def test_no_python_at_all_is_told(machine: Machine) -> None:
    """A machine without any Python is told what to install."""
    done = machine.run()

    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr


def test_a_newer_python_beside_an_old_one_is_found(machine: Machine) -> None:
    """Where `python3` is too old or cannot make a venv, the numbered ones are tried."""
    machine.add_python(tweak="sys.version_info = (3, 9, 2)")
    machine.add_python("python3.12", tweak="sys.modules['ensurepip'] = None")
    machine.add_python("python3.11")

    done = machine.run()

    assert done.returncode == 0


def test_the_python_that_is_asked_for_is_the_only_one_tried(machine: Machine) -> None:
    """PYTHON is an order, not a hint: when it does not suit, no other is taken in its place."""
    machine.add_python()
    machine.add_python("my python", tweak="sys.version_info = (3, 10, 0)")

    done = machine.run(PYTHON=str(machine.path / "my python"))

    assert done.returncode == 1
    assert "my python is Python 3.10, too old" in done.stderr


def test_musl_is_refused_before_anything_is_made(machine: Machine) -> None:
    """On a C library for which the pins have no wheels the error says so instead of starting a compiler."""
    machine.add_python(tweak="def confstr(name): raise ValueError(name)\nos.confstr = confstr")

    done = machine.run()

    assert done.returncode == 1
    assert "glibc" in done.stderr
    assert not machine.venv.exists()


def test_another_system_is_refused_by_name(machine: Machine) -> None:
    """On a system that is not Linux the error names the system."""
    machine.add_python()
    (machine.path / "uname").unlink()
    (machine.path / "uname").write_text("#!/bin/sh\necho Darwin\n")
    (machine.path / "uname").chmod(0o755)

    done = machine.run()

    assert done.returncode == 1
    assert "Linux with glibc; this is Darwin" in done.stderr


def test_a_folder_that_cannot_be_written_is_named(readable: Machine) -> None:
    """Whoever may not write into the checkout is told so, with its path."""
    nobody = 65534 if os.geteuid() == 0 else None

    done = subprocess.run(
        [readable.path / "sh", readable.checkout / "run-ingestion.sh"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": str(readable.path)},
        user=nobody,
        group=nobody,
        extra_groups=[] if nobody else None,
    )

    assert done.returncode == 1
    assert f"cannot write to {readable.checkout}" in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("script", SCRIPTS)
def test_every_shell_reads_the_scripts(shell: str, script: str) -> None:
    """The scripts are POSIX: each shell at hand can parse them."""
    subprocess.run([shell, "-n", ROOT / script], check=True)
