"""What a run writes down as it goes: `metrics.jsonl`, TensorBoard's events, and curves as a picture."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter

from twinset.errors import disk_errors
from twinset.files import write_whole

METRICS: Final = "metrics.jsonl"
CURVES: Final = "curves.png"
_EVENTS: Final = "tensorboard"
_DRAW_SECONDS: Final = 60.0
_PANELS: Final = {
    "loss": ("loss",),
    "mean cosine": ("positive", "negative"),
    "violated triplets": ("violated",),
    "validation recall@1": ("recall@1",),
    "rate": ("rate",),
}
"""The panels of the picture, and which figures each shows."""


class Journal:
    """Appends rows of figures; a resumed run first forgets what came after its checkpoint."""

    def __init__(self, folder: Path, after: int) -> None:
        self._path, self._picture = folder / METRICS, folder / CURVES
        self._drawn = time.monotonic()
        with disk_errors(folder):
            kept = [row for row in rows(self._path) if row["step"] <= after]
            write_whole(self._path, "".join(json.dumps(row) + "\n" for row in kept).encode())
            self._file = self._path.open("a", encoding="utf-8")
            self._events = SummaryWriter(str(folder / _EVENTS), purge_step=after + 1)

    def write(self, step: int, figures: Mapping[str, Any]) -> None:
        """One row; numbers go to TensorBoard too."""
        with disk_errors(self._path):
            self._file.write(json.dumps({"step": step, **figures}) + "\n")
            self._file.flush()
            for name, value in figures.items():
                if type(value) in (int, float) and math.isfinite(value):
                    self._events.add_scalar(name, value, step)

    def flush(self) -> None:
        """Brings TensorBoard's events to the disk, as the rows are already, and now and then the curves."""
        with disk_errors(self._path):
            self._events.flush()
            if time.monotonic() - self._drawn > _DRAW_SECONDS:
                draw(rows(self._path), self._picture)
                self._drawn = time.monotonic()

    def close(self) -> None:
        """Ends the journal, and draws the curves."""
        self._file.close()
        with disk_errors(self._path):
            self._events.close()
            draw(rows(self._path), self._picture)


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a `metrics.jsonl`; from a line on that is none, such as one cut short, nothing is taken."""
    if not path.is_file():
        return []
    found: list[dict[str, Any]] = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            break
        if not isinstance(row, dict) or type(row.get("step")) is not int:
            break
        found.append(row)
    return found


def draw(table: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draws the curves of a run as a PNG."""
    panels = [
        (title, names) for title, names in _PANELS.items() if any(name in row for row in table for name in names)
    ]
    figure = Figure(figsize=(12, 7), layout="constrained")
    for place, (title, names) in enumerate(panels):
        axes = figure.add_subplot(2, 3, place + 1)
        for name in names:
            points = [(row["step"], row[name]) for row in table if name in row]
            axes.plot(*zip(*points, strict=True), label=name, marker="." if len(points) < 20 else "")
        axes.set_title(title)
        if names == ("recall@1",):
            axes.set_ylim(0, 1)
        axes.set_xlabel("step")
        if len(names) > 1:
            axes.legend()
    temporary = path.with_name(f"{path.name}.tmp")
    figure.savefig(temporary, format="png")
    temporary.replace(path)
