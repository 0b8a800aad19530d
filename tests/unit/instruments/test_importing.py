"""What can be imported with the base installation, which has neither NumPy nor Arrow."""

from __future__ import annotations

import subprocess
import sys

BASE = """
import sys

class Nothing:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names | {"penstock", "msgspec"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=top)

sys.meta_path.insert(0, Nothing())
"""

EVERYTHING = """
import tempfile
from penstock import instruments
from penstock.instruments import *

assert DataSample(0, "ecu", "rpm", 3500.0).validate().is_valid
assert validate_row({"channel": "rpm", "value": "3500"})["quality"] == "ok"
assert JetDriveAdapter().aggregate_samples([DataSample(0, "ecu", "rpm", 3500.0)])[0].rpm == 3500.0
with IngestionQueue(QueueSettings(persist_to_disk=True, persist_path=tempfile.mkdtemp())) as queue:
    queue.enqueue("ecu", {"rpm": 1})
    assert len(queue) == 1

class Client(BaseIngestionClient[DataSample]):
    def _connect_impl(self): return True
    def _disconnect_impl(self): pass
    def _read_impl(self): return None
    def _validate_sample(self, sample): return sample.validate(self.validation)

with Client("ecu", config=IngestionConfig()) as client:
    client.start_reading()
    assert client.health_check()["state"] == "connected"
try:
    instruments.Validated
except ModuleNotFoundError as error:
    print(error.name)
"""


def test_everything_but_columns_works_with_the_base_installation() -> None:
    """A star import brings all that needs neither; only what looks at whole columns asks for them."""
    done = subprocess.run([sys.executable, "-c", BASE + EVERYTHING], capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stdout, done.stderr) == (0, "numpy\n", "")
