"""What the recipes reach on real phone photos: grocery, trained on train, measured on val in 81 iconic pictures."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from twinset.training.fit import Fitted, fit
from twinset.training.journal import METRICS, rows
from twinset.training.recipe import load

DATA = os.environ.get("TWINSET_TEST_DATA")
Record = Callable[[str, object], None]

pytestmark = [
    pytest.mark.deep,
    pytest.mark.skipif(not DATA, reason="TWINSET_TEST_DATA names no folder of real data"),
]


def trained(name: str, out: Path) -> Fitted:
    """One seed of a recipe, MobileNetV2's weights, 128 pixels, cut at 26,400 photos seen."""
    data = Path(DATA or "")
    settings = [f"backbone={data / 'weights/mobilenetv2'}", "size=128", "max_photos=26400", "evaluate_every=100"]
    return fit([data / "data/grocery/photos.csv"], out, load(name).changed(settings))


def test_contrast_finds_groceries(tmp_path: Path, record_property: Record) -> None:
    """More than half of the phone photos find their item first, by chance one in 81 would."""
    fitted = trained("contrast", tmp_path / "run")
    record_property("recall@1", fitted.recall)
    assert fitted.recall is not None
    assert fitted.recall >= 0.53


def test_founding_learns_what_it_is_told(tmp_path: Path, record_property: Record) -> None:
    """At the end at most half as many training triplets violate the margin as at the start."""
    fitted = trained("founding", tmp_path / "run")
    violated = [row["violated"] for row in rows(fitted.run.folder / METRICS) if "violated" in row]
    record_property("recall@1", fitted.recall)
    record_property("violated", f"{violated[0]:.3f} to {violated[-1]:.3f}")
    assert violated[-1] <= violated[0] / 2
    assert fitted.recall is not None
    assert 0.1 <= fitted.recall <= 0.35
