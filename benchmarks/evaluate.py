"""The exact ranking of Q queries among G photos, beside the bare product of their matrices in the same run.

Vectors are drawn around the items' centres, `--noise` away from them; by default there are about two of an item in
the gallery. The memory that the ranking takes beyond the vectors is the process's own high-water mark.
"""

import argparse
import os
import resource
import statistics
import time
from collections.abc import Callable

import numpy as np

from twinset.ranking import Ranking, rank

BLOCK = 512


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=50_000)
    parser.add_argument("--gallery", type=int, default=50_000)
    parser.add_argument("--dimensions", type=int, default=256)
    parser.add_argument("--items", type=int, default=25_000)
    parser.add_argument("--noise", type=float, default=2.2, help="in lengths of a centre")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--level", choices=["photo", "item"], default="photo")
    return parser.parse_args()


def vectors(given: argparse.Namespace, codes: np.ndarray) -> np.ndarray:
    """Unit vectors around the centres of their items, made in parts: they are all that lies in memory."""
    generator = np.random.Generator(np.random.PCG64(1))
    centres = generator.standard_normal((given.items, given.dimensions), np.float32)
    made = np.empty((len(codes), given.dimensions), np.float32)
    for start in range(0, len(codes), 10_000):
        part = codes[start : start + 10_000]
        drawn = centres[part] + given.noise * generator.standard_normal((len(part), given.dimensions), np.float32)
        made[start : start + len(part)] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return made


def bare(queries: np.ndarray, gallery: np.ndarray) -> None:
    """Every product, in blocks, each over the one before."""
    products = np.empty((BLOCK, len(gallery)), np.float32)
    for start in range(0, len(queries), BLOCK):
        part = queries[start : start + BLOCK]
        np.matmul(part, gallery.T, out=products[: len(part)])


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of all cores."""
    clock, cores = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - cores


def peak() -> float:
    """The most memory the process ever had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    given = options()
    codes = np.random.Generator(np.random.PCG64(0)).integers(0, given.items, given.queries + given.gallery)
    made = vectors(given, codes)
    rows = np.arange(len(codes))
    queries, gallery = rows[: given.queries], rows[given.queries :]
    units = gallery if given.level == "photo" else codes[gallery]
    before, found = peak(), list[Ranking]()

    def ours() -> None:
        found[:] = [rank(made, queries, gallery, codes=codes, units=units)]

    times = []
    for round_ in range(given.rounds):
        times.append((timed(ours), timed(lambda: bare(made[: given.queries], made[given.queries :]))))
        if round_ == 0:
            beyond = peak() - before
    first = np.array([ranks[0] for ranks in found[0].ranks])
    size = f"{given.queries:,} × {given.gallery:,} × {given.dimensions}"
    print(f"{size}, level {given.level}, load {os.getloadavg()[0]:.1f}")
    print(f"found first {np.mean(first == 1):.3f}, in the first 50 {np.mean(first <= 50):.3f}")
    for i, name in enumerate(("by the clock", "of all cores")):
        ranked, product = ([pair[side][i] for pair in times] for side in (0, 1))
        ratios = [a / b for a, b in zip(ranked, product, strict=True)]
        seconds = f"ranking {statistics.median(ranked):.1f}, bare product {statistics.median(product):.1f}"
        ratio = f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} – {max(ratios):.2f})"
        print(f"seconds {name}: {seconds}, {ratio}")
    print(f"memory beyond the vectors: {beyond:,.0f} MiB at most")


if __name__ == "__main__":
    main()
