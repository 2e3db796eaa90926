"""An audit as a folder: a table, a page, and JSON; whole or not at all."""

import json
from pathlib import Path

from twinset.audit import page
from twinset.audit.findings import Audit
from twinset.files import appearing
from twinset.manifest.table import inert, write_rows
from twinset.progress import SILENT, Progress

COLUMNS = ("kind", "evidence", "path", "item_id", "other_path", "other_item_id", "own_path", "score", "why", "mend")


def write(found: Audit, root: Path, out: Path, *, title: str = "", progress: Progress = SILENT) -> None:
    """Writes `audit.csv`, `audit.html` and `audit.json` into a new folder `out`; photos lie below `root`.

    A text that a spreadsheet would take for a formula gets an apostrophe in front.

    Raises:
        PathError: something is at `out`, or there is no folder for it.
        DiskFullError, ResourceError: the disk refused it.

    """
    with appearing(out) as folder:
        folder.mkdir()
        write_rows(folder / "audit.csv", [COLUMNS, *_rows(found)])
        (folder / "audit.json").write_text(json.dumps(found.to_json(), ensure_ascii=False), encoding="utf-8")
        (folder / "audit.html").write_text(page.html(found, root, title, progress), encoding="utf-8")


def _rows(found: Audit) -> list[list[str]]:
    return [
        [
            finding.kind,
            finding.evidence,
            *map(inert, (pair.path, pair.item_id, pair.other_path, pair.other_item_id, pair.own_path)),
            f"{finding.score:.4f}",
            inert(finding.why),
            inert(finding.mend),
        ]
        for finding in found.findings
        for pair in finding.pairs
    ]
