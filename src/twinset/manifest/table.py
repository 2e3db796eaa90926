"""A manifest in memory, its rows written whole, and the check that a path stays inside its root."""

import csv
import io
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from twinset.errors import ManifestError, PathError, UsageError, disk_errors
from twinset.files import write_whole
from twinset.manifest.parquet import is_parquet
from twinset.records import Fault, Photo


@dataclass(frozen=True, slots=True)
class Manifest:
    """Photos below `root`, in order, and the rows that cannot be used.

    `rows` counts both; `columns` are the header's names, empty for a plain folder.
    """

    root: Path
    photos: tuple[Photo, ...]
    faults: tuple[Fault, ...]
    columns: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Good and faulty rows together."""
        return len(self.photos) + len(self.faults)

    def fields(self) -> set[str]:
        """Every column for which some photo has a value."""
        return fields(self.photos)

    def require_photos(self) -> None:
        """Refuses a manifest without one good row.

        Raises:
            ManifestError: naming the first fault.

        """
        if self.photos:
            return
        if self.faults:
            first = self.faults[0]
            at = f"line {first.line}, " if first.line else ""
            if all(fault.code == "url_path" for fault in self.faults):
                raise ManifestError(
                    f"all {self.rows:,} photos are addresses yet; {at}{first.path!r}",
                    "bring them in with `twinset data fetch`, and name the manifest that it writes",
                )
            raise ManifestError(
                f"none of {self.rows:,} rows can be used; {at}{first.path!r}: {first.message}", "mend the rows"
            )
        raise ManifestError(f"{self.root} holds no photo", "name a folder or a manifest with photos")


def fields(photos: Iterable[Photo]) -> set[str]:
    """Every column for which some of the photos has a value."""
    found = {"path", "item_id", "domain"}
    for photo in photos:
        found.update(photo.attributes)
        found.update(name for name in ("category", "view", "box") if photo.value(name))
    return found


def is_address(path: str) -> bool:
    """Whether a photo has yet to be fetched."""
    return path.lower().startswith(("https://", "http://"))


def require_place(out: Path, source: Path, called: str) -> None:
    """Refuses to write a manifest where a folder stands, none is, or what it is made from, `called` so.

    Raises:
        PathError, UsageError: by the reason.

    """
    if out.is_dir():
        raise PathError(f"{out} is a folder", "name the manifest to write, for example photos.csv in it")
    if not out.parent.is_dir():
        raise PathError(f"there is no folder {out.parent}", "make it, or name another --out")
    if source.exists() and out.exists() and out.samefile(source):
        raise UsageError(f"{out} is the {called} itself, which would be gone", "name another --out")


def write_rows(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Writes a table as CSV, its header first, whole in place of one that is there.

    Raises:
        UsageError: it is named as a Parquet file.
        PathError, DiskFullError, ResourceError: it cannot be written, by the reason.

    """
    if is_parquet(path):
        raise UsageError(f"{path}: manifests are written as CSV", f"name it {path.with_suffix('.csv').name}")
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    with disk_errors(path):
        write_whole(path, text.getvalue().encode())


def inert(text: str) -> str:
    """A text as a spreadsheet shows it: one that it would take for a formula gets an apostrophe in front.

    >>> inert("=1+1")
    "'=1+1"
    """
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text


def shortest(path: str) -> str:
    """A relative path in its shortest form.

    >>> shortest("./shoes//red.jpg")
    'shoes/red.jpg'
    """
    return os.path.normpath(path)


@dataclass(slots=True)
class Confined:
    """Refuses paths that lead out of `root`, by `..`, from the file system's root, or through a link."""

    root: Path
    _folders: dict[str, bool] = field(default_factory=dict)

    def fault(self, path: str, *, on_disk: bool) -> tuple[str, str] | None:
        """The code and message of what is wrong with a relative path, None where it can be used."""
        if "\0" in path or not path.strip():
            return "bad_path", "the path is empty or has a NUL"
        if is_address(path):
            return "url_path", "a photo by URL: bring it in with `twinset data fetch`"
        short = shortest(path)
        if path.startswith("/") or ".." in path.split("/") or short == "." or "\\" in path:
            return "path_outside", "the path must stay below the manifest's folder"
        return self._on_disk(short) if on_disk else None

    def _on_disk(self, path: str) -> tuple[str, str] | None:
        full = f"{self.root}/{path}"
        try:
            mode = os.lstat(full).st_mode
            inside = self._folder_inside(full.rpartition("/")[0]) and (
                not stat.S_ISLNK(mode) or self._inside(Path(full).resolve(strict=True))
            )
            if not inside:
                return "path_outside", "the path leads out of the manifest's folder through a link"
            if not stat.S_ISREG(mode) and not Path(full).is_file():
                return "missing_file", "there is no such file"
        except (OSError, ValueError, RuntimeError):
            return "missing_file", "there is no such file"
        return None

    def _folder_inside(self, folder: str) -> bool:
        if folder not in self._folders:
            self._folders[folder] = self._inside(Path(folder).resolve(strict=True))
        return self._folders[folder]

    def _inside(self, resolved: Path) -> bool:
        return resolved.is_relative_to(self.root)
