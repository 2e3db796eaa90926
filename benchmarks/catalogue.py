"""Catalogues of 1,000 to 1,000,000 photos × 256, exact and with a graph, beside FAISS flat and FAISS HNSW.

Usage: catalogue.py [N…] [--out FOLDER] [--plot FILE]. FOLDER keeps catalogues and figures for another run; of all
figures in it the table is printed, and FILE drawn.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from matplotlib import pyplot
from search_speed import put, store

from twinset.catalogue import Catalogue, derived, folder
from twinset.progress import SILENT
from twinset.records import Vectors
from twinset.store.rows import Rows
from twinset.store.vectors import open_view
from twinset.store.view import View

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from clustered import clustered, recall

SIZES = (1_000, 10_000, 100_000, 1_000_000)
DIM, K, ROUNDS, QUERIES = 256, 10, 5, 100
SHARES = (0.9, 0.1, 0.01, 0.0001)
Search = Callable[[Vectors], Any]
Figures = dict[str, float]


def seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def build(place: Path, vectors: Vectors) -> Figures:
    """Seconds of each step of making a catalogue."""
    blocks = (vectors[start : start + 10_000] for start in range(0, len(vectors), 10_000))
    started = time.perf_counter()
    made, rows, version = store(place, blocks, DIM)
    figures = {"rows": time.perf_counter() - started}
    figures["derived"] = seconds(lambda: derived.catch_up(made, rows, version))
    rows.close()
    chosen = folder.choose_index(place, "hnsw")
    figures["graph"] = seconds(lambda: derived.catch_up_graph(chosen, version, SILENT))
    return figures


def view(place: Path) -> View:
    made, rows = folder.open_folder(place), Rows(place)
    with rows.snapshot():
        return open_view(made.derived(rows.live()), rows, rows.live(), rows.state().sequence, made.id)


def engines(place: Path) -> dict[str, Callable[[], Search]]:
    """How each is opened; what that returns searches."""

    def catalogue(*, graph: bool) -> Search:
        opened = view(place) if graph else replace(view(place), graph=None)
        return lambda query: opened.search(query, K)

    def library(path: Path) -> Search:
        index = faiss.read_index(str(path))
        if isinstance(index, faiss.IndexHNSW):
            index.hnsw.efSearch = json.loads((place.parent / "equal.json").read_text())
        return lambda query: index.search(query[np.newaxis], K)

    return {
        "exact": lambda: catalogue(graph=False),
        "hnsw": lambda: catalogue(graph=True),
        "FAISS flat": lambda: library(place.parent / "flat.index"),
        "FAISS HNSW": lambda: library(place.parent / "hnsw.index"),
    }


def write_indexes(place: Path, found: float, queries: Vectors) -> Figures:
    """FAISS's own files of the same vectors and the same graph, walked as wide as gives the same recall."""
    opened = view(place)
    vectors = np.concatenate([part for part, _ in opened.parts])
    flat = faiss.IndexFlatIP(DIM)
    flat.add(vectors)
    faiss.write_index(flat, str(place.parent / "flat.index"))
    if opened.graph is None:
        return {}
    truth = flat.search(queries, K)[1]
    hnsw = opened.graph.walker._index  # noqa: SLF001
    width = 16
    while True:
        how = faiss.SearchParametersHNSW(efSearch=width)
        near = hnsw.search(queries, K, params=how)[1]
        if np.mean([np.isin(a, b).mean() for a, b in zip(truth, near, strict=True)]) >= found or width > 4096:
            break
        width += max(1, width // 8)
    hnsw.storage = flat
    faiss.write_index(hnsw, str(place.parent / "hnsw.index"))
    (place.parent / "equal.json").write_text(str(width))
    return {"FAISS width": width, "width": opened.graph.width}


def speed(place: Path, queries: Vectors) -> Figures:
    """Queries a second, one after another in one thread: medians of rounds in turns."""
    opened = {name: start() for name, start in engines(place).items()}
    times: dict[str, list[float]] = {name: [] for name in opened}
    for turn in range(ROUNDS + 1):
        for name, search in opened.items():
            part = queries if "hnsw" in name.lower() else queries[:20]
            spent = seconds(lambda search=search, part=part: [search(query) for query in part]) / len(part)
            if turn:
                times[name].append(spent)
    return {f"q/s {name}": 1 / statistics.median(spent) for name, spent in times.items()}


def memory(place: Path, engine: str) -> Figures:
    """In a process of its own: MB of its own and of mapped files that it reads, and milliseconds of opening."""
    command = [sys.executable, __file__, "--measure", engine, "--out", str(place)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    figures: Figures = json.loads(done.stdout)
    return {f"{what} {engine}": value for what, value in figures.items()}


def measure(place: Path, engine: str) -> None:
    queries = np.load(place.parent / "queries.npy")
    before, start = resident(), engines(place)[engine]
    started = time.perf_counter()
    search = start()
    opening = time.perf_counter() - started
    for query in queries:
        search(query)
    own, mapped = (after - old for after, old in zip(resident(), before, strict=True))
    print(json.dumps({"open ms": opening * 1e3, "own MB": own, "mapped MB": mapped}))


def resident() -> tuple[float, float]:
    lines = dict(line.split(":") for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines())
    own, mapped = (int(lines[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile"))
    return own, mapped


def similar(place: Path, count: int) -> Figures:
    """Milliseconds of a whole `similar`: filters none, 20 items ranked, their rows read and checked."""
    generator, figures = np.random.Generator(np.random.PCG64(1)), {}
    names = [f"item{number:07d}" for number in generator.integers(0, count // 3, 20)]
    with Catalogue(place) as catalogue:
        catalogue.similar(names[0])
        figures["similar ms hnsw"] = statistics.median(catalogue.similar(name).ms["search"] for name in names)
        live = catalogue._live  # noqa: SLF001
        live._view = replace(live._view, graph=None)  # noqa: SLF001
        figures["similar ms exact"] = statistics.median(catalogue.similar(name).ms["search"] for name in names)
    return figures


def add_one(place: Path, count: int, vectors: Vectors) -> Figures:
    """Milliseconds of storing one photo more, of bringing what is derived up to date, and of the next view."""
    made, rows = folder.open_folder(place), Rows(place, write=True)
    version, spent = rows.live(), []
    for number, vector in enumerate(vectors, count + rows.state().sequence):

        def commit(number: int = number, vector: Vectors = vector) -> None:
            with rows.transaction():
                put(rows, version, number, vector)

        spent.append((
            seconds(commit), seconds(lambda: derived.catch_up(made, rows, version)),
            seconds(lambda: derived.catch_up_graph(made, version, SILENT)), seconds(lambda: view(place)),
        ))  # fmt: skip
    rows.close()
    names = ("commit", "derived", "graph kept", "next view")
    return {
        f"one: {n} ms": statistics.median(s) * 1e3 for n, s in zip(names, zip(*spent, strict=True), strict=True)
    }


def run(place: Path, count: int) -> None:
    """Figures of one size, those of building kept from an earlier run."""
    place.mkdir(parents=True, exist_ok=True)
    vectors, queries = clustered(count, QUERIES, DIM)
    np.save(place / "queries.npy", queries)
    path = place / "c"
    kept = place / "figures.json"
    if not kept.exists():
        shutil.rmtree(path, ignore_errors=True)
        kept.write_text(json.dumps({"photos": count} | build(path, vectors)), encoding="utf-8")
    figures: Figures = json.loads(kept.read_text(encoding="utf-8"))
    opened = view(path)
    figures["recall"] = recall(opened, queries)
    figures |= {f"recall at {share:.2%}": recall(opened, queries, share) for share in SHARES if share * count >= 50}
    figures |= write_indexes(path, figures["recall"], queries)
    figures |= speed(path, queries)
    for engine in engines(path):
        figures |= memory(path, engine)
    figures |= similar(path, count)
    figures |= add_one(path, count, queries[:3])
    kept.write_text(json.dumps(figures, indent=1), encoding="utf-8")


def print_table(every: list[Figures]) -> None:
    print("| | " + " | ".join(f"{figures['photos']:,.0f}" for figures in every) + " |")
    print("|---" * (len(every) + 1) + "|")
    for name in dict.fromkeys(name for figures in every for name in figures if name != "photos"):
        cells = [f"{figures[name]:,.4g}" if name in figures else "–" for figures in every]
        print(f"| {name} | " + " | ".join(cells) + " |")


def draw(every: list[Figures], path: Path) -> None:
    figure, panels = pyplot.subplots(1, 3, figsize=(13, 4), layout="constrained")
    sizes = [figures["photos"] for figures in every]
    for engine, look in (("exact", "C0-o"), ("hnsw", "C1-o"), ("FAISS flat", "C0--x"), ("FAISS HNSW", "C1--x")):
        for panel, what in zip(panels, ("q/s", "open ms", "own MB"), strict=True):
            panel.loglog(sizes, [max(1e-2, figures[f"{what} {engine}"]) for figures in every], look, label=engine)
    for panel, title in zip(
        panels, ("queries a second, one thread, k = 10", "opening, ms", "memory of its own, MB"), strict=True
    ):
        panel.set(title=title, xlabel="photos × 256")
        panel.grid(alpha=0.3)
    panels[0].legend()
    figure.savefig(path, dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure(given.out, given.measure)
        return
    with tempfile.TemporaryDirectory() as temporary:
        out = given.out or Path(temporary)
        for count in given.sizes:
            run(out / str(count), count)
        found = [json.loads(file.read_text(encoding="utf-8")) for file in out.glob("*/figures.json")]
        every = sorted(found, key=lambda figures: figures["photos"])
        print_table(every)
        if given.plot:
            draw(every, given.plot)


if __name__ == "__main__":
    main()
