"""The file of events: what is written to it survives, and what it says is counted right."""

import json
from pathlib import Path
from typing import Any

import pytest

from shops import build, shop
from twinset.cli.main import main
from twinset.errors import DiskFullError, InputError, PathError
from twinset.server import events

Out = pytest.CaptureFixture[str]


def searched(query: str, fingerprint: str = "f", version: int = 1, first: int = 1, hits: int = 2) -> dict[str, Any]:
    """An answer's line."""
    return {"event": "search", "query_id": query, "fingerprint": fingerprint, "version": version} | {
        "first": first,
        "hits": hits,
    }


def acted(query: str, kind: str, position: int) -> dict[str, Any]:
    """A line of what a shopper did."""
    return {"event": kind, "query_id": query, "item_id": "i", "position": position}


def test_rates_by_position_and_bundle(tmp_path: Path) -> None:
    """A click counts once a query and position; cut, foreign and unknown lines are counted."""
    lines = [
        searched("a"),
        searched("b", hits=0),
        searched("c", "g", version=2, hits=3),
        searched("d", "g", version=3, first=20, hits=5),
        acted("a", "click", 1),
        acted("a", "click", 1),
        acted("a", "purchase", 1),
        acted("c", "click", 3),
        acted("d", "click", 24),
        acted("nobody", "click", 1),
        acted("a", "click", 3),
    ]
    file = tmp_path / "events"
    foreign = [
        '{"event": "search"}',
        "[]",
        "{",
        '{"event": "dance", "query_id": "a", "item_id": "i", "position": 1}',
        "",
    ]
    file.write_text("\n".join([*map(json.dumps, lines), *foreign]), encoding="utf-8")
    told = events.read(file)
    first, second = told.by_bundle
    assert (told.broken, told.unknown) == (4, 2)
    assert (first.fingerprint, first.versions, first.searches) == ("f", (1,), 2)
    assert (first.shown, first.clicks) == ({1: 1, 2: 1}, {1: 1})
    assert (first.click_rate(1), first.click_rate(2), first.click_rate(9)) == (1, 0, 0)
    assert first.events == {"click": 2, "purchase": 1}
    assert (second.versions, second.shown, second.clicks) == ((2, 3), {1: 1, 2: 1, 3: 1, 20: 1}, {3: 1})


def test_a_file_that_is_none_of_events(tmp_path: Path, capsys: Out) -> None:
    """Missing and foreign files end with 3; an empty one is an empty list."""
    file = tmp_path / "events"
    with pytest.raises(PathError, match="cannot be read"):
        events.read(file)
    file.touch()
    assert events.read(file).by_bundle == ()
    file.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(InputError, match="no line of"):
        events.read(file)
    assert main(["events", str(file)]) == 3


def test_a_cut_line_spoils_no_other(tmp_path: Path) -> None:
    """What a full disk cut stays a line of its own."""
    file = tmp_path / "events"
    file.write_text(json.dumps(searched("a")) + '\n{"event": "cli', encoding="utf-8")
    log = events.Log(file)
    log.add(events.Event("a", "i", 1, "click"))
    log.close()
    told = events.read(file)
    assert (told.broken, told.by_bundle[0].clicks) == (1, {1: 1})


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_a_full_disk_costs_no_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An answer's line is lost and logged; a click is refused."""
    catalogue = build(tmp_path / "c", shop(tmp_path / "shop", items=2))
    log = events.Log(Path("/dev/full"))
    log.answered(catalogue.search(tmp_path / "shop/001/0.png"), "c")
    assert "an answer is missing among the events: no space is left" in caplog.text
    with pytest.raises(DiskFullError, match="no space is left"):
        log.add(events.Event("a", "i", 1, "click"))
    log.close()
    catalogue.close()
