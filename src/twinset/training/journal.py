"""What a run writes down as it goes: `metrics.jsonl`, TensorBoard's events, and curves as a picture."""

import json
import math
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
        """Brings TensorBoard's events to the disk, as the rows are already."""
        with disk_errors(self._path):
            self._events.flush()

    def close(self) -> None:
        """Ends the journal, and draws the curves."""
        self._file.close()
        with disk_errors(self._path):
            self._events.close()
            draw(rows(self._path), self._picture)


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a `metrics.jsonl`; a last line that was cut short is left out."""
    if not path.is_file():
        return []
    found: list[dict[str, Any]] = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    return found


def draw(table: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draws the curves of a run as a PNG."""
    panels = [
        (title, names) for title, names in _PANELS.items() if any(name in row for row in table for name in names)
    ]
    figure = Figure(figsize=(4 * max(1, len(panels)), 3), layout="constrained")
    for place, (title, names) in enumerate(panels):
        axes = figure.add_subplot(1, len(panels), place + 1)
        for name in names:
            points = [(row["step"], row[name]) for row in table if name in row]
            axes.plot(*zip(*points, strict=True), label=name, marker="." if len(points) < 20 else "")
        axes.set_title(title)
        axes.set_xlabel("step")
        if len(names) > 1:
            axes.legend()
    temporary = path.with_name(f"{path.name}.tmp")
    figure.savefig(temporary, format="png")
    temporary.replace(path)
