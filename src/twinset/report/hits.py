"""`hits.parquet`: the first of every query's list, one row a hit."""

from pathlib import Path

import numpy as np

from twinset import arrow
from twinset.evaluate import Measured
from twinset.report.facts import first_ranks


def write(path: Path, found: Measured) -> None:
    """Writes a row for each query and rank of its first 50.

    Raises:
        MissingExtraError: pyarrow is not installed.

    """
    pa, pq = arrow.libraries()
    queries, gallery, relevant = found.queries, found.gallery, found.protocol.relevant
    query, place = np.nonzero(found.ranking.top >= 0)
    photo = found.ranking.top[query, place]
    codes = {value: i for i, value in enumerate({one.value(relevant) for one in queries})}
    wanted = np.array([codes[one.value(relevant)] for one in queries])
    shown = np.array([codes.get(one.value(relevant), -1) for one in gallery])
    columns = {
        "query": pa.array([one.path for one in queries]).take(pa.array(query)),
        "query_item": pa.array([one.item_id for one in queries]).take(pa.array(query)),
        "rank": pa.array(place + 1),
        "photo": pa.array([one.path for one in gallery]).take(pa.array(photo)),
        "item": pa.array([one.item_id for one in gallery]).take(pa.array(photo)),
        "score": pa.array(found.ranking.scores[query, place]),
        "right": pa.array(wanted[query] == shown[photo]),
        "right_rank": pa.array(first_ranks(found)[query]),
    }
    pq.write_table(pa.table(columns), path, compression="zstd")
