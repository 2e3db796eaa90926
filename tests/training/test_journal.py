"""What a run writes down: rows, events, curves; a resumed run forgets what came after its checkpoint."""

from contextlib import closing
from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from twinset import photos
from twinset.training.journal import CURVES, METRICS, Journal, rows


def written(folder: Path, steps: range, after: int) -> None:
    """Writes a row a step."""
    with closing(Journal(folder, after)) as journal:
        for step in steps:
            journal.write(step, {"loss": 1 / step, "positive": 0.5, "negative": 0.1, "rate": 0.1})
            if step % 4 == 0:
                journal.write(step, {"recall@1": step / 100})
        journal.flush()


def test_rows_are_json_lines_and_events(tmp_path: Path) -> None:
    """Both hold the same figures."""
    written(tmp_path, range(1, 9), 0)
    table = rows(tmp_path / METRICS)
    assert [row["step"] for row in table if "loss" in row] == list(range(1, 9))
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("loss")] == list(range(1, 9))
    assert [round(event.value, 3) for event in events.Scalars("recall@1")] == [0.04, 0.08]


def test_a_resumed_run_forgets_what_came_after_its_checkpoint(tmp_path: Path) -> None:
    """No step stands twice; a line that was cut short is gone."""
    written(tmp_path, range(1, 9), 0)
    with (tmp_path / METRICS).open("a") as file:
        file.write('{"step": 9, "lo')
    written(tmp_path, range(6, 11), after=5)
    table = rows(tmp_path / METRICS)
    assert [row["step"] for row in table if "loss" in row] == list(range(1, 11))
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert sorted({event.step for event in events.Scalars("loss")}) == list(range(1, 11))


def test_the_curves_are_a_picture(tmp_path: Path) -> None:
    """Wide, and not empty."""
    written(tmp_path, range(1, 9), 0)
    pixels = photos.read(tmp_path / CURVES)
    assert pixels.shape[1] > pixels.shape[0]
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50
    assert not list(tmp_path.glob("*.tmp"))
