"""Requests made from the API's description, valid and invalid, singly and in sequence, each answer held to it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.serving import serving
from shops import build, shop
from twinset.server.app import create_app
from twinset.settings import ServeSettings

ADMIN = "a" * 16
CONFIG = """
[[operations]]
include-name = "GET /v1/items/{item_id}/similar"
# An id may hold slashes: what ends in /similar may be an item too, to put or delete.
checks.unsupported_method.enabled = false
checks.allow_header_conformance.enabled = false
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of ten items that anything may be done to."""
    place = tmp_path_factory.mktemp("schema")
    settings = ServeSettings(key="k" * 16, admin_key=ADMIN, events=str(place / "events.jsonl"))
    with (
        build(place / "c", shop(place / "shop", items=10)) as catalogue,
        serving(create_app(catalogue, settings)) as address,
    ):
        yield address


def cases(url: str, folder: Path, *options: str) -> int:
    """Lets Schemathesis ask; returns how many requests it made. Every answer must be as described, none a 5xx."""
    config = folder / "schemathesis.toml"
    config.write_text(CONFIG, encoding="utf-8")
    # What a text of the right shape means (a filter, a photo) no description tells: it may be refused.
    checks = ["--exclude-checks", "positive_data_acceptance"]
    command = [sys.executable, "-m", "schemathesis.cli", f"--config-file={config}", "run", f"{url}/openapi.json"]
    command += ["--header", f"Authorization: Bearer {ADMIN}", "--continue-on-failure", *checks, *options]
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    counted = re.search(r"([\d,]+) generated", done.stdout)
    assert counted is not None, done.stdout
    return int(counted[1].replace(",", ""))


def test_answers_are_as_described(url: str, tmp_path: Path) -> None:
    """A few requests to every route, and sequences of them along the description's links."""
    assert cases(url, tmp_path, "--phases=fuzzing,stateful", "--max-examples=5", "--seed=1") >= 60


@pytest.mark.deep
@pytest.mark.parametrize(
    ("phases", "examples", "least"), [("examples,coverage", 10, 500), ("fuzzing,stateful", 2200, 20_000)]
)
def test_many_answers_are_as_described(url: str, tmp_path: Path, phases: str, examples: int, least: int) -> None:
    """Every boundary that the description has; and twenty thousand requests."""
    options = [f"--phases={phases}", f"--max-examples={examples}", "--seed=7"]
    assert cases(url, tmp_path, *options) >= least
