"""`hits.parquet`: the first of every query's list, one row a hit."""

from pathlib import Path

from twinset import arrow
from twinset.evaluate import Measured
from twinset.report.facts import first_ranks, places


def write(path: Path, found: Measured) -> None:
    """Writes a row for each query and rank of its first 50.

    Raises:
        MissingExtraError: pyarrow is not installed.

    """
    pa, pq = arrow.libraries()
    listed = [(query, place) for i, query in enumerate(found.queries) for place in places(found, i)]
    lengths = [int((top >= 0).sum()) for top in found.ranking.top]
    right_ranks = [rank for rank, n in zip(first_ranks(found).tolist(), lengths, strict=True) for _ in range(n)]
    columns = {
        "query": pa.array([query.path for query, _ in listed], pa.string()),
        "query_item": pa.array([query.item_id for query, _ in listed], pa.string()),
        "rank": pa.array([place.rank for _, place in listed], pa.int64()),
        "photo": pa.array([place.photo.path for _, place in listed], pa.string()),
        "item": pa.array([place.photo.item_id for _, place in listed], pa.string()),
        "score": pa.array([place.score for _, place in listed], pa.float32()),
        "right": pa.array([place.right for _, place in listed], pa.bool_()),
        "right_rank": pa.array(right_ranks, pa.int64()),
    }
    pq.write_table(pa.table(columns), path, compression="zstd")
