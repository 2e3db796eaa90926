"""The figures agree with those of other libraries, where both define the same thing."""

import numpy as np
import pytest
import torch
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN

from twinset import metrics
from twinset.evaluate import evaluate
from twinset.protocols import PROTOCOLS, Protocol
from twinset.records import Evaluation, Photo

QUERIES, GALLERY, ITEMS = 300, 400, 60


def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors, and the items they show: each in the gallery several times."""
    generator = np.random.default_rng(8)
    items = np.concatenate([generator.integers(0, ITEMS, QUERIES), generator.integers(0, ITEMS, GALLERY)])
    vectors = generator.normal(size=(ITEMS, 24))[items] + 1.2 * generator.normal(size=(len(items), 24))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), items


def measured(protocol: Protocol) -> Evaluation:
    vectors, items = drawn()
    photos = [
        Photo(f"{i}", f"item {item}", domain="customer" if i < QUERIES else "shop") for i, item in enumerate(items)
    ]
    return evaluate(
        photos, lambda chosen: (chosen, vectors[[int(photo.path) for photo in chosen]]), protocol, "all"
    )


@pytest.mark.parametrize("name", ["consumer-to-shop", "leave-one-out"])
def test_pytorch_metric_learning(name: str) -> None:
    """Recall@1 is its precision_at_1; mAP, MAP@R and MRR have its names; among photos, itself left out or not.

    To 1e-5: of two scores that differ by less than 1e-6 the wrong one stands first here, the higher one there.
    """
    vectors, items = (torch.from_numpy(array) for array in drawn())
    within = name == "leave-one-out"
    queries, gallery = (vectors, vectors) if within else (vectors[:QUERIES], vectors[QUERIES:])
    items_q, items_g = (items, items) if within else (items[:QUERIES], items[QUERIES:])
    calculator = AccuracyCalculator(
        include=(
            *("precision_at_1", "mean_average_precision"),
            *("mean_average_precision_at_r", "mean_reciprocal_rank"),
        ),
        k=len(gallery) - within,
        knn_func=CustomKNN(CosineSimilarity()),
        device=torch.device("cpu"),
    )
    theirs = calculator.get_accuracy(queries, items_q, gallery, items_g, ref_includes_query=within)
    ours = measured(Protocol(name, PROTOCOLS[name].queries, PROTOCOLS[name].gallery, level="photo")).to_json()
    assert 0.3 < ours["recall@1"] < 0.9
    for figure, others_name in (
        ("recall@1", "precision_at_1"),
        ("map", "mean_average_precision"),
        ("map@r", "mean_average_precision_at_r"),
        ("mrr", "mean_reciprocal_rank"),
    ):
        assert ours[figure] == pytest.approx(theirs[others_name], abs=1e-5)


def test_torchmetrics() -> None:
    """What torchmetrics 1.9.0 gave, once, for three small rankings; it is not installed here.

    `retrieval_average_precision`, `retrieval_reciprocal_rank`, `retrieval_normalized_dcg(top_k=5)`,
    `retrieval_hit_rate(top_k=5)`.
    """
    told = {
        (1, 4): (0.75, 1, 0.8772154450416565, 1),
        (2, 3, 9): (0.5, 0.5, 0.5307212471961975, 1),
        (7,): (0.1428571492433548, 0.1428571492433548, 0, 0),
    }
    for ranks, values in told.items():
        found = np.array(ranks)
        ours = (
            metrics.average_precision(found),
            metrics.reciprocal_rank(found),
            metrics.ndcg(found, 5),
            metrics.recall_at_k(found[:1], 5),
        )
        assert ours == pytest.approx(values, abs=1e-6)
