"""A drawn wardrobe laid out as DeepFashion Consumer-to-Shop is handed out, with the traps of the real files."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

from twinset.datasets.wardrobe import Drawn, photos

LONG_SIDE = 300
SPLITS = ("train", "test", "val", "train", "train")
"""Of one style after the other: three in five are for training."""
CATEGORIES = {
    "TOPS/Polo_Shirt": "CLOTHING/Polo_Shirt",
    "TROUSERS/Jeans": "CLOTHING/Jeans",
    "TOPS/Shirt": "TOPS/Blouse",
}
"""Drawn categories that the real set keeps elsewhere."""
SUMMER_WEAR = "TOPS/Summer_Wear"
TYPES = {"1": 6, "2": 4, "3": 8}
ATTRIBUTES: tuple[tuple[str, str, int], ...] = (
    ("蝙蝠袖", "batwing sleeve", 3),
    ("V领", "v-neck", 2),
    ("纯 色", "plain", 1),
    ("条纹", "striped", 1),
    *((f"属性{number}", f"detail {number}", 4) for number in range(5, 304)),
)


@dataclass(frozen=True)
class Shown:
    """A photo as the annotations tell it; `box` is in 300-pixel coordinates, None where none was drawn."""

    path: str
    item_id: str
    category: str
    domain: str
    split: str
    clothes_type: str
    box: tuple[int, int, int, int] | None
    drawn: Drawn = field(repr=False)


@dataclass(frozen=True)
class Layout:
    """What was laid out below `root`; with traps, the photo that each of them concerns, by its annotated path."""

    root: Path
    photos: tuple[Shown, ...]
    traps: dict[str, str]
    one_sided: str = ""

    def paired(self) -> list[Shown]:
        """The photos that a manifest must hold."""
        lost = {self.traps.get("missing")}
        return [p for p in self.photos if p.item_id != self.one_sided and p.path not in lost]


def lay_out(
    root: Path,
    items: int = 12,
    seed: int = 7,
    *,
    shop_photos: int = 2,
    customer_photos: int = 2,
    lowres: bool = True,
    highres: bool = False,
    traps: bool = True,
) -> Layout:
    """Draws the items and writes `Anno`, `Eval` and `Img` below `root`.

    Styles go in turn to train, test, val, train, train: from nine items on every split has photos of both
    domains. Without `traps` every row and file is good, only the spacing is ragged; with them the last item has
    shop photos only, which stand in no pair, and the other traps concern the photos named by the layout.
    """
    shown = tuple(_shown(photos(items, seed, shop_photos, customer_photos), traps))
    marks = _marks(shown) if traps else {}
    one_sided = shown[-1].item_id if traps else ""
    layout = Layout(root, shown, marks, one_sided)
    for photo in shown:
        if photo.path != marks.get("missing"):
            _save(layout, photo, lowres=lowres, highres=highres)
    Writer(layout, random.Random(seed)).write_all()
    return layout


def _shown(drawn: Iterable[Drawn], traps: bool) -> Iterator[Shown]:
    items: dict[str, str] = {}
    styles: dict[str, str] = {}
    counts: dict[tuple[str, str], int] = {}
    for photo in drawn:
        item = items.setdefault(photo.item_id, f"id_{len(items) + 1:08d}")
        split = styles.setdefault(photo.style, SPLITS[len(styles) % len(SPLITS)])
        category = CATEGORIES.get(photo.category, photo.category)
        if traps and item == "id_00000002":
            category = SUMMER_WEAR
        number = counts[item, photo.domain] = counts.get((item, photo.domain), 0) + 1
        name = "shop" if photo.domain == "shop" else "comsumer"
        path = f"img/{category}/{item}/{name}_{number:02d}.jpg"
        yield Shown(path, item, category, photo.domain, split, _type(category), _small_box(photo), photo)


def _type(category: str) -> str:
    big, small = category.split("/")
    return "3" if small.endswith("Dress") else "2" if big == "TROUSERS" or small in ("Skirt", "Jeans") else "1"


def _small_size(photo: Drawn) -> tuple[int, int]:
    height, width = photo.pixels.shape[:2]
    scale = LONG_SIDE / max(width, height)
    return round(width * scale), round(height * scale)


def _small_box(photo: Drawn) -> tuple[int, int, int, int] | None:
    if photo.box is None:
        return None
    scale = LONG_SIDE / max(photo.pixels.shape[:2])
    x1, y1, x2, y2 = (round(side * scale) for side in photo.box)
    return x1, y1, x2, y2


def _marks(shown: Sequence[Shown]) -> dict[str, str]:
    """The photo of each trap."""
    customers = [photo.path for photo in shown if photo.domain == "customer"]
    shops = [photo.path for photo in shown if photo.domain == "shop"]
    return {
        "zero_box": shops[0],
        "grey": shops[0],
        "clipped_box": customers[0],
        "no_box": shops[2],
        "missing": [path for path in customers if shown[-1].item_id not in path][-1],
        "summer": next(path for path in shops if SUMMER_WEAR in path),
    }


def _save(layout: Layout, photo: Shown, *, lowres: bool, highres: bool) -> None:
    """The last item of a layout with traps has shop photos only."""
    if photo.item_id == layout.one_sided and photo.domain == "customer":
        return
    pixels = Image.fromarray(photo.drawn.pixels)
    if photo.path == layout.traps.get("grey"):
        pixels = pixels.convert("L")
    for folder, wanted in (("Img/img", lowres), ("Img/img_highres", highres)):
        place = layout.root / photo.path.replace("img/", f"{folder}/", 1)
        image = pixels if "highres" in folder else pixels.resize(_small_size(photo.drawn))
        if "highres" in folder:
            place = Path(str(place).replace("/Summer_Wear/", "/Summer_Suit/"))
        if wanted:
            place.parent.mkdir(parents=True, exist_ok=True)
            image.save(place, "JPEG", quality=88)


class Writer:
    """Writes the annotation files of a layout, with ragged runs of spaces."""

    def __init__(self, layout: Layout, dice: random.Random) -> None:
        self.layout, self.dice, self.traps = layout, dice, bool(layout.traps)
        lone = layout.one_sided
        self.photos = [p for p in layout.photos if p.item_id != lone or p.domain == "shop"]

    def write_all(self) -> None:
        """Every file of `Anno` and `Eval`."""
        (self.layout.root / "Anno").mkdir(parents=True, exist_ok=True)
        (self.layout.root / "Eval").mkdir(exist_ok=True)
        self._pairs()
        self._items()
        self._boxes()
        self._landmarks()
        self._attributes()

    def _file(
        self, name: str, header: str, rows: list[list[object]], *, miscount: int = 0, end: str = "\n", bom: str = ""
    ) -> None:
        lines = [str(len(rows) + miscount), *([header] if header else [])]
        for row in rows:
            gaps = [" " * self.dice.randint(1, 6) for _ in row]
            lines.append("".join(f"{cell}{gap}" for cell, gap in zip(row, gaps, strict=True)))
        text = bom + end.join(lines) + end
        folder = "Eval" if name == "list_eval_partition" else "Anno"
        (self.layout.root / folder / f"{name}.txt").write_bytes(text.encode())

    def _pairs(self) -> None:
        rows: list[list[object]] = []
        for item in dict.fromkeys(p.item_id for p in self.photos if p.item_id != self.layout.one_sided):
            own = [p for p in self.photos if p.item_id == item]
            sides = ([p for p in own if p.domain == domain] for domain in ("customer", "shop"))
            rows += [[c.path, s.path, item, c.split] for c, s in product(*sides)]
        if self.traps:
            shop, item = rows[0][1], rows[0][2]
            rows += [rows[0], ["img/../../out/id_00000001/comsumer_09.jpg", shop, item, "train"]]
            rows += [
                ["/etc/comsumer_01.jpg", shop, item, "train"],
                ["img\\..\\comsumer_01.jpg", shop, item, "train"],
            ]
            rows += [[rows[0][0], shop, item], [rows[0][0], shop, item, "dev"]]
        self._file("list_eval_partition", "image_pair_name_1 image_pair_name_2 item_id  evaluation_status", rows)

    def _items(self) -> None:
        rows: list[list[object]] = [[item] for item in dict.fromkeys(photo.item_id for photo in self.photos)]
        self._file("list_item_consumer2shop", "", rows)

    def _boxes(self) -> None:
        rows: list[list[object]] = []
        for photo in self.photos:
            width, height = _small_size(photo.drawn)
            box = photo.box or (0, 0, width, height)
            if photo.path == self.layout.traps.get("zero_box"):
                box = (40, 50, 40, 90)
            if photo.path == self.layout.traps.get("clipped_box"):
                box = (-7, box[1], width + 9, height + 1)
            if photo.path != self.layout.traps.get("no_box"):
                rows.append([photo.path, photo.clothes_type, "1" if photo.domain == "shop" else "2", *box])
        if self.traps:
            rows.append([self.photos[0].path, "1", "1", "left", "top"])
        header = "image_name clothes_type source_type x_1 y_1 x_2 y_2"
        self._file("list_bbox_consumer2shop", header, rows, miscount=3 if self.traps else 0)

    def _landmarks(self) -> None:
        rows: list[list[object]] = []
        for photo in self.photos:
            x1, y1, x2, y2 = photo.box or (10, 10, 200, 200)
            points = [
                (i % 2, x1 if i % 2 else x2, y1 + i * (y2 - y1) // 8) for i in range(TYPES[photo.clothes_type])
            ]
            points[-1] = (2, 0, 0)
            places = [number for point in points for number in point]
            rows.append([photo.path, photo.clothes_type, "1" if photo.domain == "shop" else "4", *places])
        header = "image_name clothes_type variation_type landmark_visibility_1 landmark_location_x_1"
        self._file("list_landmarks_consumer2shop", header, rows, end="\r\n")

    def _attributes(self) -> None:
        names: list[list[object]] = [list(row) for row in ATTRIBUTES]
        self._file("list_attr_cloth", "attribute_name_chn attribute_name attribute_type", names, bom="\ufeff")
        types: list[list[object]] = [["颜 色", "colour", 1], ["领型", "neckline shape", 2], ["袖型", "sleeve", 3]]
        self._file("list_attr_type", "attribute_type_chn attribute_type_name attribute_type", types)
        rows: list[list[object]] = []
        for number, item in enumerate(dict.fromkeys(photo.item_id for photo in self.photos), 1):
            values = np.full(len(ATTRIBUTES), -1)
            values[4:9] = 0
            values[[number % 4, 9 + number % 200]] = 1
            rows.append([item, *values.tolist()])
        self._file("list_attr_items", "item_id attribute_labels", rows)
