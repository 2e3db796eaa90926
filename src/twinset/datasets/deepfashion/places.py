"""Where a photo of the annotations lies on the disk: the trees, and a path's parts."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twinset.errors import PathError
from twinset.manifest.table import Confined

LOWRES: Final = ("Img/img", "img")
HIGHRES: Final = ("Img/img_highres", "img_highres")

_SHAPE: Final = re.compile(r"img/((?:[^/]+/)+)([^/]+)/([^/]+)", re.DOTALL)
_DOMAINS: Final = {"comsumer_": "customer", "consumer_": "customer", "customer_": "customer", "shop_": "shop"}
_WEAR, _SUIT = "/Summer_Wear/", "/Summer_Suit/"


@dataclass(frozen=True, slots=True)
class Trees:
    """The tree whose photos are used, and the 300-pixel one, each by its folder; None where it is not there."""

    used: str
    lowres: str | None

    @property
    def highres(self) -> bool:
        """Whether boxes must be scaled."""
        return self.used != self.lowres


@dataclass(frozen=True, slots=True)
class Name:
    """What a path of the annotations says; `domain` is empty where the file's name has none."""

    category: str
    item_id: str
    domain: str


def find_trees(root: Path, *, highres: bool) -> Trees:
    """The 300-pixel photos where they are there, else the high-resolution ones; `highres` demands these.

    Raises:
        PathError: neither, or not the demanded one, is there.

    """
    if not root.is_dir():
        raise PathError(f"there is no folder {root}", "name the folder that holds Anno, Eval and Img")
    lowres, high = (next((f for f in folders if (root / f).is_dir()), None) for folders in (LOWRES, HIGHRES))
    used = high if highres else lowres or high
    if used is None:
        wanted = HIGHRES if highres else LOWRES
        mend = "unpack the photos there" + (", or leave out --highres" if highres and lowres else "")
        raise PathError(f"{root} has no folder {' or '.join(wanted)}", mend)
    return Trees(used, lowres)


def name(path: str) -> Name | None:
    """The parts of `img/BIG/small/ITEM/DOMAIN_NN.jpg`; None for another form.

    >>> name("img/TOPS/T_Shirt/id_00000001/comsumer_01.jpg")
    Name(category='TOPS/T_Shirt', item_id='id_00000001', domain='customer')
    """
    match = _SHAPE.fullmatch(path)
    if match is None:
        return None
    domain = next((domain for start, domain in _DOMAINS.items() if match[3].startswith(start)), "")
    return Name(match[1].rstrip("/"), match[2], domain)


def locate(confined: Confined, tree: str, path: str) -> tuple[str, tuple[str, str] | None]:
    """A photo's path below the root in a tree, and its fault, None where it can be used.

    Where the folder Summer_Wear lacks it, it is looked for in Summer_Suit.
    """
    first, *others = _candidates(tree, path)
    wrong = confined.fault(first, on_disk=True)
    if wrong and wrong[0] == "missing_file":
        found = next((other for other in others if confined.fault(other, on_disk=True) is None), None)
        return (first, wrong) if found is None else (found, None)
    return first, wrong


def _candidates(tree: str, path: str) -> Iterator[str]:
    plain = f"{tree}/{path.removeprefix('img/')}"
    yield plain
    if _WEAR in plain:
        yield plain.replace(_WEAR, _SUIT)
