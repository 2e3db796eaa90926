"""Published figures stand only beside runs on DeepFashion, each with why it compares, or does not."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from twinset.datasets.deepfashion import literature
from twinset.evaluate import evaluate
from twinset.protocols import choose
from twinset.records import Evaluation, Photo


def deepfashion(items: int = 4) -> list[Photo]:
    """A few photos of the set's form."""
    return [
        Photo(f"{domain}/{i}", f"id_{i:08}", "TOPS/Blouse", domain, attributes={"split": "test"})
        for i in range(items)
        for domain in ("customer", "shop")
    ]


def run(photos: list[Photo], name: str, **changes: str) -> Evaluation:
    protocol, split = choose(photos, name)
    protocol = replace(protocol, **changes)
    return evaluate(photos, lambda chosen: (chosen, np.ones((len(chosen), 1), np.float32)), protocol, split)


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the set were as small as the photos above."""
    totals: Mapping[str, int] = {"photos": 8, "items": 4}
    monkeypatch.setattr(literature, "TOTALS", totals)


@pytest.mark.usefixtures("whole")
def test_the_same_protocol_on_the_whole_set() -> None:
    """Then a figure compares with care, and what was not confirmed is told."""
    photos = deepfashion()
    fashion_net, gr_net = literature.beside(run(photos, "official"), photos)
    assert fashion_net.to_json() == {
        "source": "FashionNet, Liu et al. 2016",
        "recall": {"recall@20": 0.188},
        "compares": "with care",
        "because": "which photos its gallery holds and whether boxes were used was not confirmed",
    }
    assert (gr_net.recall["recall@1"], gr_net.compares) == (0.26, "with care")


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize(
    ("changes", "held", "because"),
    [
        ({"level": "item"}, False, "items are ranked here, photos there"),
        ({"gallery": ("domain=shop",)}, False, "the queries or the gallery are others"),
        ({"relevant": "category"}, False, "right is what has the same category"),
        ({}, True, "some queries are held out"),
    ],
)
def test_another_protocol_does_not_compare(changes: dict[str, str], held: bool, because: str) -> None:
    """Level, filters, what is right, held-out queries: any of them changed, and the figure does not compare."""
    photos = deepfashion()
    for paper in literature.beside(run(photos, "official", **changes), photos, whole=not held):
        assert (paper.compares, paper.because) == ("no", because)
    assert literature.beside(run(photos, "val+test"), photos) == ()


def test_a_part_of_the_set_does_not_compare() -> None:
    """The manifest's photos and items are counted against the set's."""
    photos = deepfashion()
    paper = literature.beside(run(photos, "official"), photos)[0]
    assert paper.compares == "no"
    assert paper.because == "the manifest has 8 photos of 4 items, the set 239,557 of 33,881"


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize("change", [{"item_id": "4711"}, {"category": "SHOES/boots"}, {"domain": "shop"}])
def test_nothing_is_printed_beside_other_sets(change: dict[str, str]) -> None:
    """One item or category of another form, or one domain only, and it is no DeepFashion."""
    photos = deepfashion()
    found = run(photos, "official")
    other = [replace(photo, **change) for photo in photos] if "domain" in change else [replace(photos[0], **change)]
    assert literature.beside(found, [*other, *photos[1:]] if len(other) == 1 else other) == ()
