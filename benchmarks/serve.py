"""Latency of a served catalogue against load, beside what one would write without twinset, in the same run.

Usage: serve.py MANIFEST [--seconds 8] [--most 300].

The manifest's customer photos (its shop photos where it has none) are sent when they are due, whether or not others
were answered (an open loop; this process sends them, on the same machine). The services take turns at every rate:

- twinset with EfficientNet-Lite0, exported; with the bundle `default`;
- plain_service.py with the same EfficientNet-Lite0; and once more with an allocator that keeps its memory.

*Capacity* is the highest rate at which 99 % were answered within 250 ms and none refused. The *bound* is what the
cores could do if nothing but decoding, embedding and searching took time: cores / (what one search takes in a
process that does nothing else).
"""

import argparse
import contextlib
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from open_loop import Load, load, request
from plain_service import NAME, SIZE, net
from threadpoolctl import threadpool_limits

from twinset import Catalogue, manifest
from twinset.bundle import open_bundle
from twinset.card import Card
from twinset.datasets import wardrobe
from twinset.embedder import Embedder, cores, embed_photos
from twinset.manifest import Manifest
from twinset.preprocess import Preprocess
from twinset.training.export import export

HERE: Final = Path(__file__).parent
SLOWEST_MS: Final = 250
STEP: Final = 1.25
FIRST_RATE: Final = 8.0
QUERIES: Final = 300
OVER: Final = 4
TUNED: Final = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000"}
"""glibc keeps what it has: page faults are much of eager inference."""


@dataclass
class Service:
    """A process that answers, what came of the rates it was asked at, and how to measure its bound."""

    name: str
    process: subprocess.Popen[str]
    port: int
    measure: Callable[[], float]
    bounds: list[float] = field(default_factory=list)
    loads: list[Load] = field(default_factory=list)
    tired: bool = False

    @property
    def bound(self) -> float:
        """Searches a second, at most: before and after it was asked, since the machine changes."""
        return statistics.mean(self.bounds)

    @property
    def capacity(self) -> float:
        """The highest rate that was answered in time."""
        return max((one.rate for one in self.loads if in_time(one)), default=0.0)

    @property
    def memory(self) -> float:
        """MiB that the process holds."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


def in_time(one: Load) -> bool:
    return one.percentile(99) <= SLOWEST_MS and not one.refused


def exported(folder: Path) -> Path:
    """EfficientNet-Lite0 as a bundle."""
    table = manifest.read(wardrobe.draw(folder / "drawn", items=1, seed=7))
    made = net()
    samples = [(table.root / photo.path, photo) for photo in table.photos]
    return export(made, Preprocess(SIZE, made.backbone.filter), samples, folder / "lite0", Card(NAME)).bundle.folder


def bound(path: Path, queries: Sequence[bytes]) -> float:
    """Searches a second, were there nothing else to do: from the middle of what searches take one by one."""
    with Catalogue(path) as catalogue, threadpool_limits(1, user_api="blas"):
        took = [catalogue.search(photo, categories=True).ms["total"] for photo in queries]
    return cores() * 1e3 / statistics.mean(took[len(took) // 4 :])


@contextlib.contextmanager
def started(
    name: str, command: Sequence[str], measure: Callable[[], float], environment: dict[str, str]
) -> Iterator[Service]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, *command, str(port)],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        until = time.monotonic() + 120
        while time.monotonic() < until and process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.2)
        yield Service(name, process, port, measure)
    finally:
        process.terminate()
        process.wait()


def services(table: Manifest, queries: Sequence[bytes], folder: Path, open_: contextlib.ExitStack) -> list[Service]:
    """All of them, each with one catalogue of the same photos."""
    shop = [photo for photo in table.photos if photo.domain == "shop"]
    lite = exported(folder)
    embedded = embed_photos(Embedder(open_bundle(str(lite)), "cpu"), shop, table.root)
    np.save(folder / "vectors.npy", embedded.vectors)
    ids = json.dumps([photo.item_id for photo in embedded.photos])
    (folder / "ids.json").write_text(ids, encoding="utf-8")
    found = []
    for name, bundle in (("twinset, EfficientNet-Lite0", str(lite)), ("twinset, default", "default")):
        path = folder / f"{Path(bundle).name}.catalogue"
        Catalogue.build(path, table.root / "photos.csv", bundle=bundle).close()
        command = ["-m", "twinset", "serve", "--catalogue", str(path), "--port"]
        found.append(open_.enter_context(started(name, command, partial(bound, path, queries), {})))
    plain = [str(HERE / "plain_service.py"), str(folder / "vectors.npy"), str(folder / "ids.json")]
    for name, environment in (("plain", {}), ("plain, allocator tuned", TUNED)):
        found.append(open_.enter_context(started(name, plain, found[0].measure, environment)))
    return found


def climb(every: Sequence[Service], queries: Sequence[bytes], seconds: float, most: float) -> None:
    """Rate after rate, each service in turn, until it is late twice."""
    rate = FIRST_RATE
    for service in every:
        asked(service, queries, rate, 3)
        service.loads.clear()
    while rate <= most and not all(service.tired for service in every):
        for service in every:
            if not service.tired:
                asked(service, queries, rate, seconds)
                service.tired = len(service.loads) > 1 and not any(in_time(one) for one in service.loads[-2:])
        rate *= STEP


def asked(service: Service, queries: Sequence[bytes], rate: float, seconds: float) -> Load:
    sent = [request(service.port, "/v1/search", photo) for photo in queries]
    found = load(service.port, sent, rate, seconds, seed=len(service.loads))
    service.loads.append(found)
    print(f"{service.name:28} {told(found)}", flush=True)
    return found


def told(one: Load) -> str:
    middle = " ".join(f"p{share} {one.percentile(share):6.0f}" for share in (50, 95, 99))
    return f"{one.rate:6.1f}/s: answered {one.answered:6.1f}/s  {middle} ms  refused {one.refused:.1%}"


def overload(service: Service, queries: Sequence[bytes], seconds: float) -> None:
    """Four times the capacity, and what is left of it five seconds later."""
    before = service.memory
    rate = OVER * max(service.capacity, FIRST_RATE)
    found = asked(service, queries, rate, seconds)
    peak = service.memory
    time.sleep(5)
    after = asked(service, queries, max(service.capacity, FIRST_RATE) / 2, seconds)
    print(
        f"{service.name:28} at {OVER} × capacity: {found.answered:.1f}/s answered,"
        f" {found.answered / service.bound:.2f} of the bound;"
        f" p99 {found.percentile(99):.0f} ms, refusals {found.percentile(99, 503):.0f} ms;"
        f" memory {before:.0f} → {peak:.0f} MiB; 5 s later at half the capacity p99 {after.percentile(99):.0f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Latency of a served catalogue against load.")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--most", type=float, default=300, help="the highest rate")
    given = parser.parse_args()
    table = manifest.read(given.manifest)
    chosen = [photo for photo in table.photos if photo.domain == "customer"] or list(table.photos)
    queries = [(table.root / photo.path).read_bytes() for photo in chosen[:: max(1, len(chosen) // QUERIES)]]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as open_:
        every = services(table, queries, Path(folder), open_)
        for service in every:
            service.bounds.append(service.measure())
        climb(every, queries, given.seconds, given.most)
        for service in every:
            service.bounds.append(service.measure())
            overload(service, queries, given.seconds)
        print()
        for service in every:
            reached = max(one.answered for one in service.loads)
            print(
                f"{service.name:28} capacity {service.capacity:6.1f}/s (p99 ≤ {SLOWEST_MS} ms), at most"
                f" {reached:6.1f}/s answered: {reached / service.bound:.2f} of the bound of {service.bound:.1f}/s"
            )


if __name__ == "__main__":
    main()
