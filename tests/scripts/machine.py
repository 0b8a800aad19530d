"""A machine to run the scripts on: a checkout, a PATH of its own, a Python that only writes down what it should install."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPTS = ["run-ingestion.sh", "run-tests.sh", "requirements/venv.sh"]
TOOLS = ["cat", "cksum", "dirname", "grep", "mkdir", "rm", "sh", "tail", "tee", "uname"]
PYTHON = """\
#!/bin/sh
case "$*" in
    *"-m venv "*)
        echo venv >>"$JOURNAL"
        for folder; do :; done
        mkdir -p "$folder/bin"
        cp "$0" "$folder/bin/python"
        echo "#!$folder/bin/python" >"$folder/bin/pip"
        ;;
    *"-m pip "*)
        echo "pip ${*##* install }" >>"$JOURNAL"
        [ -z "${OFFLINE:-}" ] || { echo "no route to host" >&2; exit 1; }
        printf '#!/bin/sh\\n%s\\n' "$PENSTOCK" >"${0%python}penstock"
        chmod +x "${0%python}penstock"
        ;;
    *" -c "*)
        shift 2
        exec REAL -I -c "import os, sys
TWEAK
exec(sys.argv.pop(1))" "$@"
        ;;
esac
"""
ECHO = 'for word in "$@"; do echo "<$word>"; done'


@dataclass(frozen=True, slots=True)
class Machine:
    """A checkout, and a PATH that holds the tools the scripts may use and whatever Pythons a test puts there."""

    checkout: Path
    path: Path

    @property
    def venv(self) -> Path:
        """What the scripts make."""
        return self.checkout / ".venv"

    def add_python(self, name: str = "python3", tweak: str = "") -> None:
        """Put a stand-in on the PATH; `tweak` is what is wrong with it, in Python."""
        python = self.path / name
        python.write_text(PYTHON.replace("REAL", shlex.quote(sys.executable)).replace("TWEAK", tweak))
        python.chmod(0o755)

    def start(self, *args: str, script: str = "run-ingestion.sh", penstock: str = ECHO, **environment: str) -> subprocess.Popen[str]:
        """Start a script from another folder; `penstock` is the body of the program that the stand-in for pip installs."""
        return subprocess.Popen(
            [self.path / "sh", self.checkout / script, *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
            env={"PATH": str(self.path), "JOURNAL": str(self.path / "journal"), "PENSTOCK": penstock, **environment},
        )

    def run(
        self, *args: str, script: str = "run-ingestion.sh", penstock: str = ECHO, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a script to its end."""
        process = self.start(*args, script=script, penstock=penstock, **environment)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def journal(self) -> list[str]:
        """What the stand-ins were asked to make and install since last asked."""
        journal = self.path / "journal"
        lines = journal.read_text().splitlines() if journal.exists() else []
        journal.unlink(missing_ok=True)
        return lines


def make_machine(folder: Path) -> Machine:
    """Copy what a start needs into a path with spaces below `folder`."""
    checkout, path = folder / "a path" / "with spaces", folder / "bin"
    (checkout / "requirements").mkdir(parents=True)
    path.mkdir()
    for name in [*SCRIPTS, "pyproject.toml", "requirements/run.txt", "requirements/test.txt"]:
        shutil.copy(ROOT / name, checkout / name)
    for tool in TOOLS:
        (path / tool).symlink_to(str(shutil.which(tool)))
    for tool in ("chmod", "cp"):  # for the stand-in only
        (path / tool).symlink_to(str(shutil.which(tool)))
    return Machine(checkout, path)
