"""Probabilities of hits, and when nothing is close: fitted, tested, kept, and told by searches."""

import json
import os
import shutil
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from shops import age, index, other_bundle, picture, rename
from twinset import Catalogue, bundle, catalogue
from twinset.calibrate import Questions, calibrate
from twinset.calibrate.answers import SHOWN, ask
from twinset.calibrate.crossed import Hits, calibration_error, reliability
from twinset.calibrate.logistic import RIDGE, Floats, logistic, rising
from twinset.calibration import Calibration, Model
from twinset.catalogue import calibrated
from twinset.catalogue.repair import repair
from twinset.catalogue.upgrade import prepare, rollback, switch
from twinset.cli.main import main
from twinset.errors import BundleError, CatalogueError, NoQueriesError, UsageError
from twinset.records import Pixels
from twinset.simulate import customer, drawn

Out = pytest.CaptureFixture[str]
ITEMS = 40
FACTS = {"source": "photos.csv", "protocol": "test", "fingerprint": "f"}
MODEL = Model(-3.0, 2.0, 20.0, 0.1, 4.0, -0.5, 10, 100)


def data(count: int, seed: int = 0) -> tuple[Floats, Floats, Floats]:
    """Features of unlike sizes, what comes of them by a known logistic model, and weights."""
    draw = np.random.Generator(np.random.PCG64(seed))
    features = draw.normal([0.5, -4.0, 0.0], [0.2, 3.0, 1.0], (count, 3))
    right = draw.random(count) < 1 / (1 + np.exp(-(features @ [6.0, 0.5, 0.0] - 1.0)))
    return features, right.astype(np.float64), draw.choice([0.2, 0.8], count)


def gallery(items: int, queries: int, *, dim: int = 12, noise: float = 0.55, seed: int = 0) -> Questions:
    """Items as directions, each by two photos; queries are directions near the first of them."""
    draw = np.random.Generator(np.random.PCG64(seed))
    middle = draw.normal(0, 1, (items, dim))
    photos = np.repeat(middle, 2, axis=0) + draw.normal(0, 0.2, (2 * items, dim))
    asked = middle[:queries] + draw.normal(0, noise, (queries, dim))
    units = [(rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32) for rows in (asked, photos)]
    return Questions(units[0], np.arange(queries), np.full(queries, -1), units[1], np.repeat(np.arange(items), 2))


def test_the_fit_is_that_of_scikit_learn() -> None:
    """Weighted, and with a ridge that is felt, the coefficients agree with LogisticRegression's to 1e-5."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    features, right, weights = data(500)
    middle = np.average(features, axis=0, weights=weights)
    spread = np.sqrt(np.average((features - middle) ** 2, axis=0, weights=weights))
    ridge = 0.01
    theirs = linear_model.LogisticRegression(C=1 / (ridge * weights.sum()), tol=1e-10, max_iter=1000)
    theirs.fit((features - middle) / spread, right, sample_weight=weights)
    slopes = theirs.coef_[0] / spread
    expected = [theirs.intercept_[0] - slopes @ middle, *slopes]
    assert logistic(features, right, weights, ridge) == pytest.approx(expected, abs=1e-5)


def test_the_fit_is_where_slow_descent_ends() -> None:
    """Small steps down the gradient come to the same place as Newton's."""
    features, right, weights = data(300, seed=1)
    share = weights / weights.sum()
    middle = share @ features
    spread = np.sqrt(share @ (features - middle) ** 2)
    rows = np.column_stack([np.ones(len(features)), (features - middle) / spread])
    found = np.zeros(4)
    for _ in range(4000):
        found -= 2 * (rows.T @ (share * (1 / (1 + np.exp(-rows @ found)) - right)) + RIDGE * found * [0, 1, 1, 1])
    slopes = found[1:] / spread
    assert logistic(features, right, weights) == pytest.approx([found[0] - slopes @ middle, *slopes], abs=1e-6)


def test_known_coefficients_are_found() -> None:
    """Of 20,000 cases drawn by a known model, its coefficients come back, and its probabilities come true."""
    features, right, _ = data(20_000, seed=2)
    found = logistic(features, right, np.ones(len(right)))
    assert found == pytest.approx([-1.0, 6.0, 0.5, 0.0], abs=0.25)
    said = 1 / (1 + np.exp(-(features @ found[1:] + found[0])))
    hits = Hits(said, right, np.ones(len(right)), np.arange(len(right)))
    error, low, high = calibration_error(hits)
    assert error < 0.015
    assert low < high < 0.03
    assert all(abs(each.predicted - each.observed) < 0.04 for each in reliability(hits))


def test_an_error_of_a_tenth_is_measured_as_such() -> None:
    """Where what is said is 0.1 too high throughout, the calibration error is 0.1, its interval around it."""
    draw = np.random.Generator(np.random.PCG64(3))
    true = draw.uniform(0.1, 0.8, 5000)
    right = (draw.random(5000) < true).astype(np.float64)
    error, low, high = calibration_error(Hits(true + 0.1, right, np.ones(5000), np.arange(5000) // 5))
    assert error == pytest.approx(0.1, abs=0.02)
    assert low < 0.1 < high


def test_nothing_speaks_against_a_hit() -> None:
    """A feature that would have a negative coefficient, and one that is constant, have none; separated data end."""
    features, right, weights = data(500, seed=4)
    turned = np.column_stack([features[:, 0], -features[:, 1], np.full(500, 7.0)])
    found = rising(turned, right, weights)
    assert found[1] > 0
    assert found[2:].tolist() == [0, 0]
    split = logistic(np.array([[0.0], [0.1], [0.9], [1.0]]), np.array([0.0, 0, 1, 1]), np.ones(4))
    assert np.isfinite(split).all()


@given(
    score=st.floats(-1, 1),
    gap=st.floats(-2, 2),
    items=st.integers(2, 10**9),
    more=st.floats(0, 1),
    times=st.integers(1, 1000),
)
def test_probabilities_are_such_and_rise(score: float, gap: float, items: int, more: float, times: int) -> None:
    """From 0 to 1; no lower with more score or gap, no higher among more items, whatever these are."""
    said, nearer, apart, among = (
        float(MODEL.probability(np.array(s), np.array(g), np.array(n)))
        for s, g, n in (
            (score, gap, items),
            (score + more, gap, items),
            (score, gap + more, items),
            (score, gap, items * times),
        )
    )
    assert 0 <= among <= said <= min(nearer, apart)
    assert max(nearer, apart) <= 1


@given(items=st.integers(100, 10**9), slope=st.sampled_from([-0.5, 0.0, 0.5]))
def test_beyond_what_was_seen_the_bar_never_falls(items: int, slope: float) -> None:
    """What is not close among the most items that were seen is not close among more."""
    model = replace(MODEL, bar_slope=slope)
    height = (model.bar + slope * np.log(100)) / model.gap
    assert not model.close(np.array(0.0), np.array(height - 1e-6), np.array(items))


def test_answers_are_those_of_a_loop() -> None:
    """Scores, places, counts and gaps are what sorting the items one by one gives, photos left out included."""
    asked = gallery(30, 8)
    asked = replace(asked, left_out=np.array([0, -1, 4, -1, -1, 10, -1, -1]))
    answers = ask(asked, [1.0, 0.4], seed=1)
    assert len(answers.query) == 8 * 2 * 2
    whole = answers.only(answers.share == 1)
    for place, query in enumerate(whole.query.tolist()):
        best: dict[int, float] = {}
        for photo, item in enumerate(asked.items.tolist()):
            if photo != asked.left_out[query] and not (whole.absent[place] and item == asked.right[query]):
                best[item] = max(best.get(item, -2.0), float(asked.gallery[photo] @ asked.queries[query]))
        ranked = sorted(best, key=lambda item: -best[item])
        expected = ranked.index(asked.right[query]) if asked.right[query] in ranked[:SHOWN] else -1
        assert whole.items[place] == len(best)
        assert whole.right[place] == expected
        assert whole.scores[place] == pytest.approx([best[item] for item in ranked[:SHOWN]], abs=1e-6)
        assert whole.gaps[place, 0] == pytest.approx(best[ranked[0]] - best[ranked[1]], abs=1e-6)
        assert whole.gaps[place, 3] == pytest.approx(best[ranked[3]] - best[ranked[0]], abs=1e-6)
    part = answers.only(answers.share < 1)
    assert part.items.max() < 30
    assert (part.right[~part.absent] >= 0).all()


@pytest.fixture(scope="module")
def fitted() -> Calibration:
    """A calibration of 400 items by queries of 300."""
    return calibrate(gallery(400, 300), **FACTS)


def test_false_alarms_keep_the_promise_at_the_size_and_at_ten_times_it(fitted: Calibration) -> None:
    """Of items that were not used, no more than promised, but for chance; probabilities come true."""
    assert fitted.tenfold is not None
    assert (fitted.tested.fitted_on, fitted.tenfold.fitted_on) == (400, pytest.approx(41, abs=2))
    for tested in (fitted.tested, fitted.tenfold):
        assert tested.items == 400
        assert tested.false_alarms[0] <= 0.05 + 3 * (0.05 * 0.95 / 300) ** 0.5
        assert tested.false_alarms[1] <= tested.false_alarms[0] <= tested.false_alarms[2]
    assert fitted.tested.ece[0] < 0.08
    assert fitted.tested.misses[0] < fitted.tested.hushed[0] < 0.7


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(5))
def test_false_alarms_keep_the_promise_in_a_gallery_of_other_items(seed: int) -> None:
    """Fitted on 400 items, and asked among 4,000 with queries of items that are in neither."""
    found = calibrate(gallery(400, 300, seed=seed), **FACTS)
    large = gallery(4000, 400, seed=seed + 100)
    answers = ask(large, [1.0])
    without = answers.only(answers.absent)
    close = found.model.close(without.scores[:, 0], without.gaps[:, 0], without.items)
    assert close.mean() <= 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5


def test_the_scores_of_first_hits_are_told(fitted: Calibration) -> None:
    """Their mean and spread over the whole gallery, a fifth of the searches for what is not there."""
    asked = gallery(400, 300)
    scores = (asked.queries @ asked.gallery.T).astype(np.float64)
    with_it = scores.max(axis=1)
    without = np.where(asked.items == asked.right[:, None], -np.inf, scores).max(axis=1)
    mean = 0.8 * with_it.mean() + 0.2 * without.mean()
    square = 0.8 * (with_it**2).mean() + 0.2 * (without**2).mean()
    assert fitted.first_score == pytest.approx(mean, abs=1e-6)
    assert fitted.first_spread == pytest.approx((square - mean**2) ** 0.5, abs=1e-6)


def test_more_false_alarms_are_fewer_misses(fitted: Calibration) -> None:
    """A larger promise lowers the bar, and the model of probabilities stays."""
    loose = calibrate(gallery(400, 300), **FACTS, false_alarms=0.2)
    assert loose.tested.misses[0] < fitted.tested.misses[0]
    assert (loose.model.score, loose.model.gap) == (fitted.model.score, fitted.model.gap)


def test_what_cannot_be_calibrated_is_refused() -> None:
    """Too few items for the promise, a gallery of chance, and shares that are none."""
    with pytest.raises(NoQueriesError, match=r"queries of 20 items are too few.*give queries of 25 items"):
        calibrate(gallery(50, 20), **FACTS)
    asked = gallery(50, 50)
    with pytest.raises(NoQueriesError, match="do not tell right items from wrong ones"):
        calibrate(replace(asked, queries=-asked.queries), **FACTS)
    for name, share in (("absent", 0.0), ("false_alarms", 1.0)):
        with pytest.raises(UsageError, match="use a share between 0 and 1"):
            calibrate(asked, **FACTS, **{name: share})


def test_a_calibration_is_read_as_it_was_written(fitted: Calibration) -> None:
    """Through JSON and back; what is damaged is refused."""
    raw = json.loads(json.dumps(fitted.to_json()))
    assert Calibration.of(raw) == fitted
    for part, name, value in (
        ("model", "score", -1.0),
        ("model", "bar", float("nan")),
        ("model", "largest", 2.5),
        ("tested", "ece", [0.1, 0.2]),
        ("tested", "brier", 7),
        ("tested", "reliability", None),
        ("", "absent", 1.5),
        ("", "first_score", -1.5),
        ("", "first_spread", float("nan")),
        ("", "simulated", 1),
        ("", "queries", -1),
        ("", "other", 1),
        ("", "model", []),
    ):
        broken = json.loads(json.dumps(raw))
        (broken[part] if part else broken)[name] = value
        with pytest.raises(ValueError, match=r"calibration has|unpack"):
            Calibration.of(broken)


def photographed(item: int, generator: np.random.Generator) -> Pixels:
    """A shop photo as a customer has it: in another light, of which some colours are others."""
    seen = picture(item).astype(np.float64) * generator.uniform(0.8, 1.2, 3) + generator.normal(0, 8, (32, 32, 3))
    return np.clip(seen, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop of 40 items with two photos each, and two customers' photos of each."""
    folder = tmp_path_factory.mktemp("shop")
    generator = np.random.Generator(np.random.PCG64(5))
    rows = ["path,item_id,domain,category,price,number"]
    for item in range(ITEMS):
        for number in range(2):
            for domain in ("shop", "customer"):
                path = f"{item:02d}-{domain}-{number}.png"
                pixels = picture(item) if (domain, number) == ("shop", 0) else photographed(item, generator)
                Image.fromarray(pixels).save(folder / path)
                age(folder / path)
                rows.append(f"{path},i{item:02d},{domain},{'TOPS' if item % 2 else 'SKIRTS'},{item},{number}")
    (folder / "photos.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def known(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop's catalogue, calibrated; not to be changed."""
    place = tmp_path_factory.mktemp("known") / "c"
    index(place, shop / "photos.csv")
    assert main(["calibrate", str(shop / "photos.csv"), "-c", str(place), "-q"]) == 0
    return place


@pytest.fixture
def place(known: Path, tmp_path: Path) -> Path:
    """A copy of the calibrated catalogue."""
    return Path(shutil.copytree(known, tmp_path / "c"))


def probabilities(place: Path, photo: Path) -> list[float | None]:
    """What a search says of its hits."""
    with Catalogue(place) as opened:
        return [hit.probability for hit in opened.search(photo)]


def test_an_answer_tells_how_probable_its_hits_are(known: Path, shop: Path) -> None:
    """Each by the model, score, gap and number of items; no photo of the shop's makes something close of noise."""
    with Catalogue(known) as opened:
        answer = opened.search(shop / "03-customer-0.png", k=5)
        model = calibrated_model(known)
        first, second = answer.hits[0].score, answer.hits[1].score
        for hit in answer:
            gap = hit.score - (second if hit.rank == 1 else first)
            expected = model.probability(np.array(hit.score), np.array(gap), np.array(ITEMS))
            assert hit.probability == float(expected)
        assert answer.nothing_close is not bool(
            model.close(np.array(first), np.array(first - second), np.array(ITEMS))
        )
        assert answer.calibration is not None
        told = answer.to_json()["calibration"]
        score, spread = told.pop("first_score"), told.pop("first_spread")
        assert told == {"simulated": False, "false_alarms": 0.05, "items": ITEMS}
        assert 0 < spread < score < 1


def calibrated_model(place: Path) -> Model:
    """The model that a catalogue keeps."""
    (raw,) = json.loads((place / "catalogue.json").read_text(encoding="utf-8"))["calibrations"].values()
    return Calibration.of(raw).model


def test_pages_say_what_one_long_answer_says(known: Path, shop: Path) -> None:
    """Also with k=1, with a boost, which changes the order, and with a least score."""
    photo = shop / "05-customer-1.png"
    with Catalogue(known) as opened:
        first = opened.search(photo, k=ITEMS)
        plain = {hit.item_id: hit.probability for hit in first}
        for options in ({}, {"boost": ["category=TOPS:+0.5"]}, {"min_score": 0.2}):
            whole = opened.search(photo, k=ITEMS, **options)
            pages, cursor = [], None
            while True:
                page = opened.search(photo, k=1 if not pages else 4, cursor=cursor, **options)
                assert page.nothing_close == whole.nothing_close
                pages += page.hits
                cursor = page.next
                if cursor is None:
                    break
            assert pages == list(whole.hits)
            assert all(hit.probability == plain[hit.item_id] for hit in whole)


def test_filters_change_among_how_many_items_is_searched(known: Path, shop: Path) -> None:
    """Half of the shop: the gap is to what passes, the size is its own; of one item alone nothing is said."""
    photo = shop / "04-customer-0.png"
    with Catalogue(known) as opened:
        model = calibrated_model(known)
        answer = opened.search(photo, where=["category=SKIRTS"])
        gap = answer.hits[0].score - answer.hits[1].score
        expected = model.probability(np.array(answer.hits[0].score), np.array(gap), np.array(ITEMS // 2))
        assert answer.hits[0].probability == float(expected)
        alone = opened.search(photo, where=["price=4"])
        assert [hit.probability for hit in alone] == [None]
        assert (alone.nothing_close, alone.calibration) == (None, None)


def test_what_was_not_calibrated_is_not_told(known: Path, shop: Path) -> None:
    """Photos, styles, several photos, similar items: searches that the model was not fitted on."""
    photo = shop / "04-customer-0.png"
    with Catalogue(known) as opened:
        for answer in (
            opened.search(photo, by="photo"),
            opened.search(photo, by="style"),
            opened.search([photo, shop / "04-customer-1.png"]),
            opened.similar("i04"),
        ):
            assert {hit.probability for hit in answer} == {None}
            assert (answer.nothing_close, answer.calibration) == (None, None)


def test_an_open_catalogue_sees_a_new_calibration(shop: Path, tmp_path: Path) -> None:
    """Calibrated while it is open, from the next search on."""
    place = tmp_path / "c"
    index(place, shop / "photos.csv")
    photo = shop / "01-customer-0.png"
    with Catalogue(place) as opened:
        assert opened.info().calibration is None
        assert opened.search(photo).hits[0].probability is None
        assert main(["calibrate", str(shop / "photos.csv"), "-c", str(place), "-q"]) == 0
        assert opened.search(photo).hits[0].probability is not None


def test_the_catalogues_own_wins_over_the_bundles(shop: Path, tmp_path: Path) -> None:
    """A calibrated bundle serves a catalogue until this has its own; its fingerprint stays."""
    other = other_bundle(tmp_path / "middle")
    before = bundle.open_bundle(other).fingerprint
    calibrating = ["calibrate", str(shop / "photos.csv"), "-q"]
    assert main([*calibrating, "--bundle", str(other)]) == 0
    assert bundle.open_bundle(other).fingerprint == before
    place = tmp_path / "c"
    catalogue.index(place, shop / "photos.csv", bundle=other)
    photo = shop / "07-customer-0.png"
    with Catalogue(place) as opened:
        assert opened.info().calibration.of == "bundle"
    of_bundle = probabilities(place, photo)
    assert main([*calibrating, "-c", str(place), "--absent", "0.6"]) == 0
    with Catalogue(place) as opened:
        assert opened.info().calibration.of == "catalogue"
    own = probabilities(place, photo)
    assert own[0] < of_bundle[0]
    facts = json.loads((other / "bundle.json").read_text(encoding="utf-8"))
    facts["calibration"]["fingerprint"] = "another"
    (other / "bundle.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(BundleError, match="the calibration of another bundle"):
        bundle.open_bundle(other)
    facts["calibration"]["absent"] = 2
    (other / "bundle.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(BundleError, match="damaged: calibration has absent 2"):
        bundle.open_bundle(other)


def test_an_upgrade_has_no_probabilities_and_the_way_back_has_them_again(
    place: Path, shop: Path, tmp_path: Path
) -> None:
    """A calibration belongs to the vectors that it was fitted on."""
    photo = shop / "07-customer-0.png"
    before = probabilities(place, photo)
    switch(place, prepare(place, other_bundle(tmp_path / "middle")).version)
    assert set(probabilities(place, photo)) == {None}
    rollback(place)
    assert probabilities(place, photo) == before


def test_copies_of_a_catalogue_keep_its_calibration(place: Path, shop: Path, tmp_path: Path) -> None:
    """Snapshot, dump and load, and another index; with a damaged `catalogue.json` it is lost, and that is told."""
    photo = shop / "09-customer-0.png"
    before = probabilities(place, photo)
    with Catalogue(place) as opened:
        opened.snapshot(tmp_path / "snapshot")
    assert probabilities(tmp_path / "snapshot", photo) == before
    index(place, shop / "photos.csv")
    assert probabilities(place, photo) == before
    (place / "catalogue.json").write_text("{}", encoding="utf-8")
    assert "calibrate it again" in repair(place)[0]
    assert set(probabilities(place, photo)) == {None}


def test_a_dump_keeps_the_calibration(place: Path, shop: Path, tmp_path: Path) -> None:
    """Through Parquet and back."""
    pytest.importorskip("pyarrow")
    photo = shop / "09-customer-0.png"
    with Catalogue(place) as opened:
        opened.dump(tmp_path / "c.parquet")
    catalogue.load(tmp_path / "c.parquet", tmp_path / "loaded")
    assert probabilities(tmp_path / "loaded", photo) == probabilities(place, photo)


def test_a_damaged_calibration_of_a_catalogue_is_refused(place: Path) -> None:
    """Also where its checksum fits."""
    raw = json.loads((place / "catalogue.json").read_text(encoding="utf-8"))["calibrations"]
    (fingerprint,) = raw
    for broken in ({fingerprint: raw[fingerprint] | {"absent": 2}}, {"another": raw[fingerprint]}, [1]):
        rename(place, calibrations=broken)
        with pytest.raises(CatalogueError, match=r"catalogue.json is damaged"):
            Catalogue(place)


def test_a_customers_photo_is_simulated_alike_each_time() -> None:
    """Equal for a name and a seed, another for others, and of a photo of any shape; none is the photo itself."""
    photo = picture(3, 90)[:, :40]
    first, again, other = (customer(photo, drawn(name)) for name in ("a", "a", "b"))
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)
    assert first.dtype == np.uint8
    assert max(first.shape) <= 90 / 0.7 + 1
    customer(np.full((1, 1, 3), 255, np.uint8), drawn("a"))


def test_stand_ins_are_told_by_the_result_and_by_each_answer(place: Path, shop: Path, capsys: Out) -> None:
    """`--simulate` needs no customer's photo; the result counts lone photos, the answer says `simulated`."""
    capsys.readouterr()
    calibrating = ["calibrate", str(shop / "photos.csv"), "-c", str(place), "-q", "--simulate"]
    assert main([*calibrating, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["simulated"], told["lone"], told["queries"], told["items"]) == (True, 0, ITEMS, ITEMS)
    assert told["protocol"] == "simulated, all"
    assert main([*calibrating, "--gallery", "domain=shop", "--gallery", "number=0"]) == 0
    assert f"{ITEMS} are of their item's only photo" in capsys.readouterr().out
    assert main(["search", str(shop / "02-customer-0.png"), "-c", str(place), "-k", "2"]) == 0
    seen = capsys.readouterr()
    assert "probability" in seen.out.splitlines()[0]
    assert "probabilities are of simulated photos" in seen.err
    with Catalogue(place) as opened:
        assert opened.search(shop / "02-customer-0.png").calibration.simulated


def test_calibrate_tells_what_it_found(place: Path, shop: Path, capsys: Out) -> None:
    """A table of figures at the size, the reliability of first hits; `info` names it, `search` shows it."""
    capsys.readouterr()
    assert main(["calibrate", str(shop / "photos.csv"), "-c", str(place), "-q"]) == 0
    told = capsys.readouterr().out
    assert f"calibrated by {2 * ITEMS} queries of {ITEMS} items (photos.csv, consumer-to-shop, all)" in told
    for figure in ("calibration error, first hits", "false alarms", "misses", "came true"):
        assert figure in told
    assert main(["info", "-c", str(place)]) == 0
    assert f"of the catalogue, fitted on {ITEMS} items, 5% false alarms" in capsys.readouterr().out
    noise = shop.parent / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(noise)
    assert main(["search", str(noise), "-c", str(place), "-k", "2"]) == 0
    seen = capsys.readouterr()
    assert "nothing close" in seen.err
    assert "%" in seen.out


def test_customers_photos_of_another_folder_calibrate_alike(place: Path, shop: Path, tmp_path: Path) -> None:
    """Where the manifest is no source of the catalogue, its photos are searched in all that the catalogue holds."""
    own = tmp_path / "own"
    own.mkdir()
    rows = ["path,item_id"]
    for photo in sorted(shop.glob("*-customer-*.png")):
        shutil.copy(photo, own)
        rows.append(f"{photo.name},i{photo.name[:2]}")
    (own / "mine.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    before = calibrated_model(place)
    assert main(["calibrate", str(own / "mine.csv"), "-c", str(place), "-q"]) == 0
    after = calibrated_model(place)
    assert np.allclose(astuple(before), astuple(after), rtol=1e-6)


def test_another_order_of_the_first_hits_changes_no_probability(known: Path, shop: Path) -> None:
    """They are told by plain scores, whatever orders the hits."""
    with Catalogue(known) as opened:
        photo = shop / "03-customer-0.png"
        first = opened.search(photo, k=ITEMS)
        plain = {hit.item_id: hit.probability for hit in first}
        for rerank in ("expansion", "reciprocal", "centroid", "views"):
            answer = opened.search(photo, k=ITEMS, rerank=rerank)
            assert {hit.item_id: hit.probability for hit in answer} == plain
            assert answer.nothing_close == first.nothing_close


def test_where_a_calibration_cannot_be_kept(known: Path, shop: Path, capsys: Out) -> None:
    """A bundle that ships is not changed, and one of the two places must be named."""
    capsys.readouterr()
    calibrating = ["calibrate", str(shop / "photos.csv"), "-q"]
    for more, code, says in (
        (["--bundle", "colour"], 2, "comes with the package and is not changed"),
        ([], 2, "name one of --catalogue and --bundle"),
        (["--bundle", "colour", "-c", str(known)], 2, "name one of --catalogue and --bundle"),
        (["-c", str(known), "--absent", "1.5"], 2, "use a share between 0 and 1"),
        (["-c", str(known), "--false-alarm", "0.01"], 3, "are too few to promise 0.01 false alarms"),
        (["-c", str(shop / "none")], 3, "there is no catalogue"),
    ):
        assert main([*calibrating, *more]) == code
        assert says in capsys.readouterr().err
    assert calibrated.live_bundle(known).facts.calibration is None


@pytest.mark.deep
def test_luma_keeps_its_promise(tmp_path: Path, capsys: Out) -> None:
    """Real photos by the bundle `colour`: few false alarms, also at ten times the size; what is said comes true."""
    photos = Path(os.environ.get("TWINSET_TEST_DATA", ""), "data/luma/photos.csv")
    if not photos.is_file():
        pytest.skip("TWINSET_TEST_DATA has no data/luma/photos.csv")
    index(tmp_path / "c", photos)
    capsys.readouterr()
    assert main(["calibrate", str(photos), "-c", str(tmp_path / "c"), "-q", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["protocol"] == "views, all"
    for tested in (told["tested"], told["tenfold"]):
        assert tested["items"] == 456
        assert tested["false_alarms"][0] <= 0.05 + 3 * (0.05 * 0.95 / told["query_items"]) ** 0.5
    assert told["tested"]["ece"][0] < 0.12
