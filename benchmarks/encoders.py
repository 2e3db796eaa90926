"""Recall@1 against milliseconds a photo: the bundles that ship, others by folder, and well-known nets beside them.

Usage: encoders.py [BUNDLE…] [--mobilenetv2 FOLDER] [--luma photos.csv --grocery photos.csv] [--picture FILE].

MobileNetV2 (whose weights lie in FOLDER) and EfficientNet-Lite0 are their ImageNet features, averaged over the
places, with nothing trained on top; ResNet-50, ConvNeXtV2-T and ViT-S/14 have random weights, and tell how fast
they are and no more. Each is a bundle, made by `export` in a temporary folder. A photo is embedded as users do it:
singly, by `Embedder` on one thread, from pixels that are decoded; or one on each core at once. The encoders take
turns, so that what else the machine does hits all of them. Recall is `evaluate`'s: the views of luma's held-out
styles among all main views; grocery's customer photos of `val` among the shop's. Without the two manifests there
is no recall and no picture.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib import patheffects
from matplotlib.figure import Figure
from PIL import Image

from twinset import bundle as bundles
from twinset import manifest, photos, protocols
from twinset.bundle import Bundle
from twinset.card import Card
from twinset.datasets import wardrobe
from twinset.embedder import Embedder, cores, embed_photos, in_order
from twinset.evaluate import evaluate
from twinset.manifest.split import parse_hold_out
from twinset.photos import Decoded
from twinset.prepared import Prepared
from twinset.preprocess import Preprocess
from twinset.records import Photo, Vectors
from twinset.training import backbone, hub
from twinset.training.backbone import Backbone
from twinset.training.export import export
from twinset.training.head import PoolName
from twinset.training.kinds import KINDS
from twinset.training.net import Net, Shape

ROUNDS, TIMED = 12, 3
"""Each round times so many photos of every encoder, after one that is not counted."""
SIZE = 224
HELD_OUT = "style=0-7"
BESIDE = "ResNet-50"
VIT_S = {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6, "patch_size": 14}
RANDOM: dict[str, tuple[str, dict[str, int], PoolName]] = {
    BESIDE: ("resnet", {}, "average"),
    "ConvNeXtV2-T": ("convnextv2", {}, "average"),
    "ViT-S/14": ("dinov2", VIT_S | {"image_size": SIZE}, "cls"),
}
"""Kind, what differs from the library's config, and pooling."""
PICTURE = Path(__file__).parent.parent / "docs/encoders.png"
TICKS = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
NEAR_X, NEAR_Y = 2.5, 0.05
"""Labels of points within this factor of ms stand at least so much recall apart."""
HALO = [patheffects.withStroke(linewidth=3, foreground="white")]


@dataclass
class Encoder:
    """A bundle, what was measured of it in each round, and its recalls, unless its weights are `random`."""

    name: str
    bundle: Bundle
    random: bool = False
    ms: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    recalls: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        self.embedder = Embedder(self.bundle, "cpu")

    @property
    def time(self) -> float:
        """Milliseconds a photo."""
        return statistics.median(self.ms)

    @property
    def mean(self) -> float:
        """Of the recalls."""
        return statistics.mean(self.recalls)


def encoders(folders: Sequence[str], mobilenetv2: str | None, temporary: Path) -> Iterator[Encoder]:
    """The bundles that ship, those of `folders`, and the nets beside them."""
    for name in (*bundles.shipped_names(), *folders):
        opened = bundles.open_bundle(name)
        yield Encoder(opened.facts.name, opened)
    samples = drawn_files(temporary)

    def exported(name: str, net: Backbone, pooling: PoolName) -> Bundle:
        shape = Shape(pooling, "bn", 0, 0.0, -1)  # a batch norm that has seen nothing: the features as they are
        prepare = Preprocess(SIZE, net.filter)
        folder = temporary / name.replace("/", "-")
        return export(Net(net, shape, prepare), prepare, samples, folder, Card(name)).bundle

    if mobilenetv2:
        yield Encoder("MobileNetV2", exported("MobileNetV2", backbone.load(mobilenetv2), "average"))
    lite = "EfficientNet-Lite0"
    yield Encoder(lite, exported(lite, backbone.load(lite.lower()), "average"))
    torch.manual_seed(7)
    for name, (kind, config, pooling) in RANDOM.items():
        tower = hub.remade(kind, config, Prepared(SIZE, KINDS[kind].filter, *KINDS[kind].colour))
        yield Encoder(name, exported(name, Backbone(name, tower), pooling), random=True)


def drawn_files(folder: Path) -> list[tuple[Path, Photo]]:
    """The photos on which an exported bundle is compared with its net."""
    table = manifest.read(wardrobe.draw(folder / "drawn", items=1, seed=7))
    return [(table.root / photo.path, photo) for photo in table.photos]


def drawn() -> list[Decoded]:
    """Decoded photos of 480 × 640."""
    resized = (Image.fromarray(photo.pixels).resize((480, 640)) for photo in wardrobe.photos(3, 7))
    return [Decoded(np.asarray(image), *image.size) for image in resized]


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def one_round(encoder: Encoder, decoded: Sequence[Decoded]) -> None:
    """Times photos singly, then enough of them for a third of a second on all cores."""
    embed = encoder.embedder.embed
    embed(decoded[0])
    singly = [1e3 * seconds(lambda photo=photo: embed(photo)) for photo in decoded[:TIMED]]  # type: ignore[misc]
    encoder.ms += singly
    count = max(4 * cores(), min(512, round(333 * cores() / statistics.median(singly))))
    tasks = [decoded[number % len(decoded)] for number in range(count)]
    encoder.rates.append(count / seconds(lambda: list(in_order(embed, tasks))))


def time_all(found: Sequence[Encoder], rounds: int) -> float:
    """Times every encoder, in turns; returns the milliseconds that decoding takes each of them besides."""
    decoded = drawn()
    files = [photos.encode_jpeg(photo.pixels) for photo in decoded]
    for encoder in found:
        for photo in decoded[:TIMED]:
            encoder.embedder.embed(photo)
    decoding = []
    for _ in range(rounds):
        decoding.append(1e3 * seconds(lambda: list(map(photos.decode, files))) / len(files))
        for encoder in found:
            one_round(encoder, decoded)
    return statistics.median(decoding)


def recall(encoder: Encoder, source: Path, protocol: str, split: str, held_out: str = "") -> float:
    """Recall@1 of a manifest."""
    table = manifest.read(source)

    def embeds(chosen: Sequence[Photo]) -> tuple[Sequence[Photo], Vectors]:
        embedded = embed_photos(encoder.embedder, chosen, table.root)
        return embedded.photos, embedded.vectors

    chosen, of_split = protocols.choose(table.photos, protocol, split)
    keep = parse_hold_out(held_out).holds if held_out else lambda _photo: True
    return evaluate(table.photos, embeds, chosen, of_split, keep=keep).recall[1]


def front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points (ms, recall) that no other is both faster and better than, the fastest first."""
    return sorted(p for p in points if not any(other[0] < p[0] and other[1] > p[1] for other in points))


def table(found: Sequence[Encoder]) -> Iterator[str]:
    """The lines of the table."""
    with_recall = any(encoder.recalls for encoder in found)
    head = ["", "D", "MB", "ms", f"{BESIDE} ÷ it", "photos/s"]
    head += ["recall@1, luma held-out", "recall@1, grocery val", "Pareto"] * with_recall
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    best = front([(encoder.time, encoder.mean) for encoder in found if encoder.recalls])
    beside = next(encoder for encoder in found if encoder.name == BESIDE and encoder.random)
    for encoder in sorted(found, key=lambda each: each.time):
        ratio = statistics.median(a / b for a, b in zip(beside.ms, encoder.ms, strict=True))
        cells = [encoder.name, str(encoder.embedder.dim), f"{len(encoder.bundle.model) / 1e6:.1f}"]
        cells += [f"{encoder.time:.1f}", f"{ratio:.1f}", f"{statistics.median(encoder.rates):.0f}"]
        if encoder.recalls:
            on_front = (encoder.time, encoder.mean) in best
            cells += [*(f"{value:.3f}" for value in encoder.recalls), "yes" if on_front else "no"]
        elif with_recall:
            cells += ["–"] * 3
        yield f"| {' | '.join(cells)} |"


def draw(found: Sequence[Encoder], path: Path) -> None:
    """Draws recall against ms, each set of photos and their mean a panel, with the Pareto front of each."""
    figure = Figure(figsize=(13, 5), layout="constrained")
    measured = [encoder for encoder in found if encoder.recalls]
    panels = {
        "luma, held-out styles": [encoder.recalls[0] for encoder in measured],
        "grocery, val": [encoder.recalls[1] for encoder in measured],
        "mean of the two": [encoder.mean for encoder in measured],
    }
    places = figure.subplots(1, len(panels), sharex=True, sharey=True)
    for axes, (title, values) in zip(places, panels.items(), strict=True):
        axes.set(title=title, xscale="log", ylim=(0, 1), xlabel="ms a photo, one thread")
        points = [(encoder.time, value, encoder.name) for encoder, value in zip(measured, values, strict=True)]
        panel(axes, [point[:2] for point in points])
        labels(axes, points)
        speeds(axes, sorted((encoder.time, encoder.name) for encoder in found if encoder.random))
    times = [encoder.time for encoder in found]
    left, right = min(times) / 1.5, max(times) * 1.6
    places[0].set(ylabel="recall@1", xlim=(left, right))
    ticks = [tick for tick in TICKS if left < tick < right]
    places[0].set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    places[0].minorticks_off()
    figure.savefig(path, dpi=110)


def panel(axes: Any, points: Sequence[tuple[float, float]]) -> None:
    """The points, and their front as a stair: what is to be had for so many ms."""
    best = front(points)
    stair = [*best, (1e4, best[-1][1])]
    axes.grid(alpha=0.3)
    axes.step(*zip(*stair, strict=True), where="post", color="tab:orange", lw=1.5, label="Pareto front", zorder=2)
    axes.scatter(*zip(*points, strict=True), color="tab:blue", s=36, zorder=3)
    axes.scatter(*zip(*best, strict=True), color="tab:orange", s=36, zorder=4)
    axes.legend(loc="upper left", frameon=False)


def labels(axes: Any, points: Sequence[tuple[float, float, str]]) -> None:
    """Names beside the points: of those that stand near each other the lowest one's goes down, the others' up."""
    placed: list[tuple[float, float]] = []
    for x, y, name in sorted(points, key=lambda point: point[1]):
        near = [other for other in points if max(other[0] / x, x / other[0]) < NEAR_X]
        below = [at for other, at in placed if max(other / x, x / other) < NEAR_X]
        lowest = len(near) > 1 and not below and y > NEAR_Y
        at = y - NEAR_Y if lowest else max([y + 0.02, *(other + NEAR_Y for other in below)])
        placed.append((x, at))
        line = {"arrowstyle": "-", "color": "grey", "lw": 0.6, "shrinkA": 0, "shrinkB": 3}
        axes.annotate(name, (x, y), (x * 1.15, at), arrowprops=line, fontsize=9, path_effects=HALO, zorder=5)


def speeds(axes: Any, points: Sequence[tuple[float, str]]) -> None:
    """A dotted line at the ms of each encoder that has no recall; names of neighbours one below the other."""
    slot, before = 0, 0.0
    for x, name in points:
        slot, before = slot + 1 if x < 1.15 * before else 0, x
        axes.axvline(x, color="grey", lw=0.8, ls=":", zorder=1)
        spot = {"rotation": 90, "ha": "center", "va": "top", "fontsize": 8, "color": "grey"}
        axes.text(x, 0.98 - 0.22 * slot, name, path_effects=HALO, zorder=1.5, **spot)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="*", metavar="BUNDLE", help="further bundles, by folder")
    parser.add_argument("--mobilenetv2", metavar="FOLDER", help="MobileNetV2's weights; without it there is none")
    parser.add_argument("--luma", type=Path, metavar="CSV")
    parser.add_argument("--grocery", type=Path, metavar="CSV")
    parser.add_argument("--picture", type=Path, default=PICTURE, help="by default docs/encoders.png")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    if (given.luma is None) != (given.grocery is None):
        parser.error("--luma and --grocery go together")
    return given


def main() -> None:
    given = options()
    with tempfile.TemporaryDirectory() as name:
        found = list(encoders(given.bundles, given.mobilenetv2, Path(name)))
    decoding = time_all(found, given.rounds)
    for encoder in found:
        if given.luma and not encoder.random:
            luma = recall(encoder, given.luma, "views", "all", HELD_OUT)
            encoder.recalls = (luma, recall(encoder, given.grocery, "consumer-to-shop", "val"))
    print("\n".join(table(found)))
    print(f"\nms: one photo of 480 × 640, decoded, on one thread; decoding its JPEG takes {decoding:.1f} ms more.")
    print(f"photos/s: {cores()} at once. {', '.join(RANDOM)}: random weights. Medians of {given.rounds} rounds.")
    if given.luma:
        print("Pareto: no other here is both faster and better, by the mean of the two recalls.")
        draw(found, given.picture)
        print(f"{given.picture} is drawn")


if __name__ == "__main__":
    main()
