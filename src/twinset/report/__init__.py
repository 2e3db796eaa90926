"""An evaluation told on one page that opens offline, with its figures, hits and charts as files beside it."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from twinset import arrow, webpage
from twinset.errors import PathError
from twinset.evaluate import Measured
from twinset.files import appearing, to_disk
from twinset.progress import SILENT, Progress
from twinset.records import Evaluation, Photo
from twinset.report import charts, hits, page
from twinset.report.facts import Facts, gather
from twinset.report.page import GENERATOR, Run
from twinset.report.pictures import Look, thumbnails

__all__ = ["PAGE", "Look", "Run", "check", "write"]

PAGE: Final = "report.html"
METRICS: Final = "metrics.json"
HITS: Final = "hits.parquet"
_PARTS: Final = re.compile(rf"{PAGE}|{METRICS}|{HITS}|(recall|categories|scores)\.(svg|png)")
_HEAD: Final = 1024


def check(out: Path) -> None:
    """Refuses, before anything is measured, what `write` would refuse after it.

    Raises:
        MissingExtraError: matplotlib or pyarrow is not installed.
        PathError: something else than a report is at `out`, or there is no folder for it.

    """
    charts.require()
    arrow.libraries()
    if not out.parent.is_dir():
        raise PathError(f"there is no folder {out.parent}", "make it first")
    if (out.exists() or out.is_symlink()) and not _ours(out):
        raise PathError(f"{out} is there already, and is no report", "name a place where nothing is, or a report")


def write(
    out: Path,
    found: Measured,
    result: Evaluation,
    *,
    run: Run,
    metrics: Mapping[str, Any],
    look: Look,
    progress: Progress = SILENT,
) -> None:
    """Writes the report's folder whole, in place of an older report: page, `metrics`, hits, charts.

    Equal measurements give equal bytes, but for the date in `run`. What `look` cannot read is shown as such.

    Raises:
        MissingExtraError, PathError: as `check`.
        DiskFullError, ResourceError: the disk refused it; an older report stays.

    """
    check(out)
    facts = gather(found, run.seed)
    pictures = thumbnails(_shown(facts), look, progress)
    with appearing(out, instead=True) as place:
        place.mkdir()
        drawn = _draw(place, result, facts)
        hits.write(place / HITS, found)
        (place / METRICS).write_text(json.dumps(metrics, ensure_ascii=False) + "\n", encoding="utf-8")
        (place / PAGE).write_text(page.render(result, facts, run, drawn, pictures), encoding="utf-8")
        for part in place.iterdir():
            to_disk(part)


def _draw(place: Path, result: Evaluation, facts: Facts) -> dict[str, str]:
    """Writes the charts; returns them as SVG by name."""
    drawn = {}
    with charts.drawing():
        figures = {"recall": charts.recall(facts.curve)}
        if result.by_category:
            figures["categories"] = charts.categories(result.by_category)
        figures["scores"] = charts.scores(facts.scores)
        for name, figure in figures.items():
            drawn[name] = charts.svg(figure)
            (place / f"{name}.svg").write_text(drawn[name], encoding="utf-8")
            (place / f"{name}.png").write_bytes(charts.png(figure))
    return drawn


def _shown(facts: Facts) -> list[Photo]:
    places = [place for missed in facts.worst for place in (*missed.first, missed.right)]
    return [
        *(missed.query for missed in facts.worst),
        *(place.photo for place in places),
        *(photo for pair in facts.confused for photo in (pair.one, pair.other)),
        *(item.photo for item in facts.unfound),
    ]


def _ours(out: Path) -> bool:
    """Whether a folder holds a report, and nothing that somebody put beside it."""
    if out.is_symlink() or not out.is_dir() or not (out / PAGE).is_file():
        return False
    with (out / PAGE).open(encoding="utf-8", errors="replace") as file:
        marked = webpage.mark(GENERATOR) in file.read(_HEAD)
    return marked and all(_PARTS.fullmatch(path.name) and path.is_file() for path in out.iterdir())
