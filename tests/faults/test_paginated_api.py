"""A pipeline that reads a paginated API is killed again and again; at the end every order is there once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from penstock.simulate.faults import FaultProfile
from penstock.simulate.shop.serve import Server, running
from penstock.simulate.shop.settings import ShopSettings
from tests.contract.threads import in_thread

ORDERS = 200

PAGING = {
    "cursor": (
        'rows = "data"\nmore = "meta.has_more"\ntotal = "meta.total"\n[source.cursor]\nnext = "meta.next_cursor"\nparameter = "cursor"',
        "limit",
    ),
    "next": ('rows = "value"\nkey = ["id"]\n[source.cursor]\nnext = "@odata.nextLink"', "limit"),
    "page": ('rows = "orders"\n[source.page]\npages = "pages"', "per_page"),
    "offset": ('rows = "result.orders"\n[source.offset]\nparameter = "offset"', "limit"),
    "link": ("link = true", "per_page"),
}


@pytest.fixture(scope="module")
def shop(seed: int) -> Iterator[Server]:
    """A slow shop with some troubles."""
    faults = FaultProfile(slow=0.9, slow_s=0.02, error_5xx=0.02, reset_mid_body=0.02, same_page=0.02)
    with in_thread(running(ShopSettings(orders=ORDERS, seed=seed, faults=faults))) as server:
        yield server


@pytest.mark.parametrize("scheme", PAGING)
def test_killed_again_and_again(shop: Server, scheme: str, tmp_path: Path, seed: int, scale: int) -> None:
    """However often `penstock run` is killed, and wherever, the file ends with every order once."""
    paging, size = PAGING[scheme]
    source = f'type = "http"\nurl = "{shop.url}/{scheme}/orders?{size}=10"\nauth = {{ bearer = "env:SHOP_KEY" }}\n{paging}\n'
    pipeline = tmp_path / "orders.toml"
    pipeline.write_text(f'[source]\n{source}[sink]\ntype = "jsonl"\npath = "orders.jsonl"\n')
    drawn = Random(f"{seed} {scheme}")

    for rows in sorted(drawn.sample(range(1, ORDERS - 20), 2 if scale == 1 else 10)):
        with started(pipeline) as run:
            wait_for(run, rows, tmp_path / "orders.jsonl")
            run.kill()
    with started(pipeline) as run:
        _, said = run.communicate(timeout=60)

    assert run.returncode == 0, said
    found = Counter(json.loads(line)["id"] for line in (tmp_path / "orders.jsonl").read_text().splitlines())
    assert found == Counter(range(1, ORDERS + 1))


def started(pipeline: Path) -> subprocess.Popen[str]:
    """`penstock run` with a state folder beside the file."""
    environment = os.environ | {"SHOP_KEY": "shop-key", "PENSTOCK_HOME": str(pipeline.parent / "home"), "PENSTOCK_PORT": "0"}
    command = [sys.executable, "-m", "penstock", "run", str(pipeline), "--json"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def wait_for(run: subprocess.Popen[str], rows: int, file: Path) -> None:
    """Until the file has so many lines, or the run has ended."""
    while not file.exists() or file.read_bytes().count(b"\n") < rows:
        with suppress(subprocess.TimeoutExpired):
            run.wait(timeout=0.01)
            return
