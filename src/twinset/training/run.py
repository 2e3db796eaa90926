"""The folder of a run: what lies in it, beginning one, and reading one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any, Final

from torch import nn

from twinset.errors import IntegrityError, PathError, SourceError, UsageError, disk_errors
from twinset.files import write_whole
from twinset.manifest import write_faults
from twinset.preprocess import Preprocess
from twinset.progress import Progress
from twinset.records import Fault
from twinset.training import recipe as recipes
from twinset.training.data import Selection, TrainingData, readable, without
from twinset.training.loader import Loader
from twinset.training.losses import Loss
from twinset.training.net import Built
from twinset.training.recipe import Recipe

_FACTS: Final = "run.json"
_LEFT: Final = ("writer.lock", "recipe.toml.tmp", "looks")
"""What a run that was killed before its first step may have left."""
_KEYS: Final = frozenset(
    ("sources", "selection", "train", "digest", "unreadable", "samples", "preprocess", "net", "loss", "notes")
)
_SAMPLES: Final = 32
"""How many photos an exported bundle is compared on."""
_RESUMABLE: Final = ("checkpoint_minutes",)
"""Settings that may differ when a run is resumed: no weight depends on them."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run's folder and the files in it."""

    folder: Path

    @property
    def last(self) -> Path:
        """The state from which the run goes on."""
        return self.folder / "last.safetensors"

    @property
    def best(self) -> Path:
        """The weights with the best validation recall."""
        return self.folder / "best.safetensors"

    @property
    def skipped(self) -> Path:
        """The rows that could not be used."""
        return self.folder / "skipped.csv"

    @property
    def looks(self) -> Path:
        """What the frozen part of the net has seen: there while the run goes on."""
        return self.folder / "looks"

    @property
    def described(self) -> bool:
        """Whether the run got as far as its first step."""
        return (self.folder / _FACTS).is_file()

    @property
    def recipe_path(self) -> Path:
        """The resolved recipe."""
        return self.folder / "recipe.toml"

    def recipe(self) -> Recipe:
        """The resolved recipe, read."""
        return recipes.load(self.recipe_path)

    def facts(self) -> dict[str, Any]:
        """What `run.json` says: the manifests, the photos, the net, the environment.

        Raises:
            PathError: this is no run's folder.
            IntegrityError: the file is damaged.

        """
        path = self.folder / _FACTS
        if not path.is_file():
            raise PathError(f"{self.folder} holds no run", "name the folder that `twinset fit --out` wrote")
        try:
            facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            lacking = _KEYS - facts.keys()
        except (ValueError, AttributeError) as error:
            raise IntegrityError(f"{path} is damaged: {error}", "start the run anew") from error
        if lacking:
            raise IntegrityError(f"{path} is damaged: it lacks {min(lacking)}", "start the run anew")
        return facts

    def write(self, recipe: Recipe, facts: Mapping[str, Any], faults: Sequence[Fault]) -> None:
        """Writes the recipe, the rows that cannot be used, and last `run.json`."""
        with disk_errors(self.folder):
            write_whole(self.recipe_path, recipe.text().encode())
            if faults:
                write_faults(self.skipped, faults)
            write_whole(self.folder / _FACTS, (json.dumps(facts, indent=2) + "\n").encode())


def begin(folder: Path, recipe: Recipe, *, resume: bool) -> Run:
    """The folder of a new run, still empty, or with `resume` of one that was begun with the same recipe.

    Raises:
        UsageError: the folder holds something already, or the recipe to resume is another.
        PathError: it is a file.
        ResourceError: it cannot be read.

    """
    run = Run(folder)
    with disk_errors(folder):
        if run.recipe_path.is_file():
            if not resume:
                mend = "add --resume to go on with it, or name another --out"
                raise UsageError(f"{folder} holds a run already", mend)
            _same(run.recipe(), recipe, folder)
            return run
        if folder.is_dir() and any(entry.name not in _LEFT for entry in folder.iterdir()):
            several = sorted(folder.glob("seed-*"))
            mend = f"name {several[0]}, or add --seeds {len(several)}" if several else "name another --out"
            raise UsageError(f"{folder} is no run's folder and not empty", mend)
        if folder.exists() and not folder.is_dir():
            raise PathError(f"{folder} is a file", "name a folder for the run")
    return run


def make(folder: Path) -> None:
    """Makes the folder of a run, where it is not there.

    Raises:
        PathError, DiskFullError, ResourceError: it cannot be made, by the reason.

    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)


def evenly(count: int, most: int) -> list[int]:
    """At most so many of the numbers below `count`, evenly spread.

    >>> evenly(3, 5), evenly(10, 4)
    ([0, 1, 2], [0, 2, 5, 7])
    """
    taken = min(count, most)
    return [i * count // taken for i in range(taken)]


def _same(begun: Recipe, asked: Recipe, folder: Path) -> None:
    old, new = asdict(begun), asdict(asked)
    other = [name for name in old if old[name] != new[name] and name not in _RESUMABLE]
    if other:
        name = other[0]
        raise UsageError(
            f"the run in {folder} was begun with {name} = {old[name]!r}, not {new[name]!r}",
            "resume with the same settings, or name another --out",
        )


def usable(run: Run, found: TrainingData, loader: Loader, loss: Loss, progress: Progress) -> TrainingData:
    """The data without photos that cannot be decoded, which a resumed run knows already.

    Raises:
        SourceError: the run was begun on other rows or files.
        UsageError: it was begun with another loss.

    """
    if run.described:
        facts = run.facts()
        if facts["loss"] != _kind(loss):
            raise UsageError(
                f"the run in {run.folder} was begun with the loss {facts['loss']}, not {_kind(loss)}",
                "resume with the same loss",
            )
        found = without(found, [Fault(*fault) for fault in facts["unreadable"]])
        if found.digest != facts["digest"]:
            raise SourceError(
                f"the run in {run.folder} was begun on other rows or files than these",
                "resume with the same manifests, filters and photos, or name another --out",
            )
        return found
    return readable(found, loader, progress)


def facts_of(
    found: TrainingData, selection: Selection, net: nn.Module, loss: Loss, prepare: Preprocess
) -> dict[str, Any]:
    """What a run is described by: its data, its net and loss, how photos are prepared, and what was decided."""
    photos = [*found.train, *(photo for part in found.validations for photo in part.photos)]
    shown = [photos[i] for i in evenly(len(photos), _SAMPLES)]
    held = selection.hold_out
    return {
        "sources": [asdict(source) for source in found.sources],
        "selection": {
            "where": list(selection.where),
            "hold_out": held and {"column": held.column, "digits": sorted(held.digits)},
            "photos_root": selection.photos_root and str(selection.photos_root.resolve()),
        },
        "train": {"photos": len(found.train), "items": len({photo.item_id for photo in found.train})},
        "digest": found.digest,
        "unreadable": [list(astuple(fault)) for fault in found.unreadable],
        "samples": [
            {"file": str(found.files[photo.path]), "path": photo.path, "box": photo.box} for photo in shown
        ],
        "preprocess": asdict(prepare),
        "net": net.facts() if isinstance(net, Built) else _kind(net),
        "loss": _kind(loss),
        "notes": list(found.notes),
    }


def _kind(part: object) -> str:
    return f"{type(part).__module__}.{type(part).__qualname__}"
