"""What a server tells Prometheus of its answers."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from shops import build, shop
from twinset.records import Answer, Calibrated
from twinset.server.telemetry import Telemetry

EXPECTED = Calibrated(simulated=False, false_alarms=0.05, items=2, first_score=0.5, first_spread=0.1)


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answer]:
    """An answer of a shop of two items."""
    place = tmp_path_factory.mktemp("telemetry")
    with build(place / "c", shop(place / "shop", items=2, views=1)) as catalogue:
        yield catalogue.search(next((place / "shop").rglob("*.png")))


def scored(answer: Answer, score: float) -> Answer:
    """The answer with another first score, of a calibrated catalogue."""
    first = replace(answer.hits[0], score=score)
    return replace(answer, hits=(first, *answer.hits[1:]), calibration=EXPECTED, nothing_close=score < 0.5)


def value(telemetry: Telemetry, name: str) -> float | None:
    """A metric of the catalogue `c`, None where it is not told."""
    found = re.search(rf'^{name}{{catalogue="c"[^}}]*}} (\S+)$', telemetry.page().decode(), re.MULTILINE)
    return None if found is None else float(found[1])


def test_scores_that_drift_are_told(answer: Answer) -> None:
    """In standard deviations of the calibration, once a hundred plain searches were answered."""
    telemetry = Telemetry()
    for number in range(99):
        telemetry.answered(scored(answer, 0.6 if number % 2 else 0.4), "c", plain=True)
        telemetry.answered(scored(answer, 1.0), "c", plain=False)
    assert value(telemetry, "twinset_score_drift") is None
    telemetry.answered(scored(answer, 0.6), "c", plain=True)
    assert value(telemetry, "twinset_score_drift") == pytest.approx(0, abs=1e-9)
    assert value(telemetry, "twinset_nothing_close_total") == 50
    for _ in range(1000):
        telemetry.answered(scored(answer, 0.2), "c", plain=True)
    assert value(telemetry, "twinset_score_drift") == pytest.approx(-3)
    assert value(telemetry, "twinset_first_score_count") == 1100


def test_another_model_begins_anew(answer: Answer) -> None:
    """Scores of two bundles are not one distribution."""
    telemetry = Telemetry()
    for _ in range(100):
        telemetry.answered(scored(answer, 0.9), "c", plain=True)
    other = replace(scored(answer, 0.5), catalogue=replace(answer.catalogue, fingerprint="other"))
    telemetry.answered(other, "c", plain=True)
    assert value(telemetry, "twinset_score_drift") is None
    for _ in range(99):
        telemetry.answered(other, "c", plain=True)
    assert value(telemetry, "twinset_score_drift") == pytest.approx(0, abs=1e-9)


def test_what_is_not_calibrated_has_no_drift(answer: Answer) -> None:
    """Its scores are told all the same."""
    telemetry = Telemetry()
    for _ in range(100):
        telemetry.answered(answer, "c", plain=True)
    assert value(telemetry, "twinset_score_drift") is None
    assert value(telemetry, "twinset_first_score_count") == 100
