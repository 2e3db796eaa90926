"""A plain folder as a manifest: sub-folders are items, those above them categories."""

import logging
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from twinset.errors import PathError
from twinset.manifest.table import Confined
from twinset.records import Fault, Photo, photo_id

_LOG: Final = logging.getLogger(__name__)
SUFFIXES: Final = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif")
)
_DOMAIN_PREFIXES: Final = {"comsumer_": "customer", "customer_": "customer", "shop_": "shop"}


def folder_photos(folder: Path, root: Path, source: str) -> tuple[list[Photo], list[Fault]]:
    """The photos below `folder`, by path, and those that lead out of it.

    A photo that lies directly in the folder is an item of its own, named by its stem; deeper, the last folder
    is the item and those above it the category. Names that begin with `customer_`, `comsumer_` (DeepFashion's
    spelling) or `shop_` give the domain. Hidden files and folders, and files that are no photos by their
    name's ending, are passed over. Linked folders are not entered: what lies inside is found where it lies,
    and one that leads out is a fault, as is a name that is not UTF-8.

    Raises:
        PathError: a folder cannot be listed.

    """
    confined = Confined(root)
    photos: list[Photo] = []
    faults: list[Fault] = []
    for path in sorted(_files(folder)):
        wrong = _not_utf8(path) or confined.fault(path, on_disk=True)
        if wrong is None:
            photos.append(_photo(path, source))
        elif wrong[0] == "path_outside" or not (folder / path).is_dir():
            faults.append(Fault(0, path.encode(errors="backslashreplace").decode(), *wrong))
    _tell_of_shared_names(photos)
    return photos, faults


def _not_utf8(path: str) -> tuple[str, str] | None:
    try:
        path.encode()
    except UnicodeEncodeError:
        return "bad_path", "the name is not UTF-8: rename the file"
    return None


def _files(folder: Path) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        raise PathError(f"{error.filename} cannot be listed: {error.strerror}", "mend its permissions") from error

    for here, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        linked = [name for name in folders if (Path(here) / name).is_symlink()]
        files = [name for name in names if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES]
        for name in (*linked, *files):
            yield (Path(here) / name).relative_to(folder).as_posix()


def _photo(path: str, source: str) -> Photo:
    pure = PurePosixPath(path)
    folders = pure.parts[:-1]
    prefix = next((p for p in _DOMAIN_PREFIXES if pure.name.startswith(p)), None)
    return Photo(
        path=path,
        item_id=folders[-1] if folders else pure.stem,
        category="/".join(folders[:-1]),
        domain=_DOMAIN_PREFIXES[prefix] if prefix else "shop",
        photo_id=photo_id(source, path),
    )


def _tell_of_shared_names(photos: list[Photo]) -> None:
    categories: defaultdict[str, set[str]] = defaultdict(set)
    for photo in photos:
        categories[photo.item_id].add(photo.category)
    for item, found in sorted(categories.items()):
        if len(found) > 1:
            places = " and ".join(sorted(found)[:2])
            _LOG.warning(
                "folders named %r stand in %s: their photos count as one item; name them apart", item, places
            )
