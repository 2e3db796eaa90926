"""A model's folder ↔ `Bundle`: the model, how photos are prepared for it, and its fingerprint."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any, Final

from twinset.calibration import Calibration
from twinset.errors import BundleError, PathError, UsageError, did_you_mean
from twinset.files import write_whole
from twinset.preprocess import Preprocess

FORMAT: Final = 1
DEFAULT: Final = "default"
"""The shipped bundle that is used where none is named."""
MODEL: Final = "model.onnx"
FACTS: Final = "bundle.json"
CARD: Final = "README.md"
_MAX_MODEL_BYTES: Final = 2**31 - 1
_MAX_FACTS_BYTES: Final = 2**24 - 1
_TEXTS: Final = ("name", "sha256", "precision", "backbone", "head", "trained_on", "licence")


@dataclass(frozen=True, slots=True)
class Facts:
    """What `bundle.json` says. `recall` maps a protocol's name to a measured recall@1 (0-1).

    `calibration` is that of a shop like those it will serve; a catalogue may have its own.
    """

    name: str
    dim: int
    preprocess: Preprocess
    sha256: str
    precision: str = "f32"
    box_margin: float = 0.0
    backbone: str = ""
    head: str = ""
    trained_on: str = ""
    licence: str = ""
    recall: Mapping[str, float] = field(default_factory=dict)
    calibration: Calibration | None = None


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle: its facts, its model's bytes, and where it lies."""

    facts: Facts
    model: bytes
    folder: Path

    @property
    def fingerprint(self) -> str:
        """SHA-256, as hex, over the facts that change an embedding."""
        facts = self.facts
        decisive = {
            "sha256": facts.sha256,
            "dim": facts.dim,
            "precision": facts.precision,
            "box_margin": float(facts.box_margin),  # 0 and 0.0 are one
            "preprocess": facts.preprocess.to_json(),
        }
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def open_bundle(name: str | Path | None = None) -> Bundle:
    """Opens a bundle by its folder or a shipped name, by default `DEFAULT`; the SHA-256 is checked in full.

    Raises:
        PathError: there is no such folder and no such shipped bundle.
        BundleError: the bundle is damaged, foreign or newer than this program.

    """
    folder = Path(name or DEFAULT)
    if not (folder / FACTS).is_file():
        folder = _shipped(str(name or DEFAULT))
    facts = _parse(folder / FACTS)
    model = _model_bytes(folder / MODEL)
    found = hashlib.sha256(model).hexdigest()
    if found != facts.sha256:
        raise BundleError(
            f"{folder / MODEL} is not the file that {FACTS} names: SHA-256 {found[:12]}…, "
            f"expected {facts.sha256[:12]}…",
            "copy the bundle again",
        )
    bundle = Bundle(facts, model, folder)
    if facts.calibration is not None and facts.calibration.fingerprint != bundle.fingerprint:
        raise BundleError(f"{folder / FACTS} has the calibration of another bundle", "calibrate it again")
    return bundle


def save(folder: Path, facts: Facts, model: bytes, card: str = "") -> None:
    """Writes a bundle, with its model card if given; `bundle.json` comes last: its presence means completeness."""
    folder.mkdir(parents=True, exist_ok=True)
    if card:
        write_whole(folder / CARD, card.encode())
    write_whole(folder / MODEL, model)
    _write_facts(folder, facts)


def _write_facts(folder: Path, facts: Facts) -> None:
    """Writes `bundle.json`, whole."""
    told = asdict(facts) | {"preprocess": facts.preprocess.to_json()}
    if facts.calibration is None:
        del told["calibration"]
    text = json.dumps({"format": FORMAT} | told, indent=2) + "\n"
    write_whole(folder / FACTS, text.encode())


def keep_calibration(bundle: Bundle, calibration: Calibration) -> None:
    """Stores a calibration in a bundle's folder; its fingerprint stays.

    Raises:
        UsageError: the bundle comes with the package.
        DiskFullError, ResourceError: as the machine has it.

    """
    check_own(bundle)
    _write_facts(bundle.folder, replace(bundle.facts, calibration=calibration))


def check_own(bundle: Bundle) -> None:
    """Refuses to change a bundle that comes with the package.

    Raises:
        UsageError: it does.

    """
    if bundle.folder.resolve().is_relative_to(Path(str(resources.files("twinset"))).resolve()):
        raise UsageError(
            f"{bundle.folder} comes with the package and is not changed",
            "calibrate a catalogue with --catalogue, or copy the bundle's folder and name the copy",
        )


def check_out(out: Path) -> None:
    """Accepts a place for a new bundle: where nothing is, or a bundle, or what a killed export left.

    Raises:
        PathError: `out` is a file, or a folder with other things.

    """
    if not out.exists():
        return
    if not out.is_dir():
        raise PathError(f"{out} is a file", "name a folder for the bundle")
    names = {path.name for path in out.iterdir()}
    known = {name + end for name in (MODEL, FACTS, CARD) for end in ("", ".tmp")}
    if not {MODEL, FACTS} <= names and (names - known or names == {CARD}):
        stranger = min(names - known, default=CARD)
        raise PathError(f"{out} is no bundle and holds other things ({stranger})", "name a new folder for it")


def shipped_names() -> list[str]:
    """The names of the bundles that come with the package."""
    models = resources.files("twinset") / "models"
    return sorted(entry.name for entry in models.iterdir() if (entry / FACTS).is_file())


def shipped(fingerprint: str) -> Bundle | None:
    """The bundle of a fingerprint, where it comes with the package."""
    found = (open_bundle(_shipped(name)) for name in shipped_names())
    return next((bundle for bundle in found if bundle.fingerprint == fingerprint), None)


def _shipped(name: str) -> Path:
    names = shipped_names()
    if name in names:
        return Path(str(resources.files("twinset") / "models" / name))
    otherwise = f"name a folder with a {FACTS}, or one that ships: {', '.join(names)}"
    raise PathError(f"there is no bundle {name}", did_you_mean(name, names, otherwise))


def _model_bytes(path: Path) -> bytes:
    try:
        return _read(path, _MAX_MODEL_BYTES)
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}", "copy the bundle again") from error


def _read(path: Path, most: int) -> bytes:
    """The bytes of a file: of nothing that never ends, such as a pipe or a device that a link leads to.

    Raises:
        BundleError: it is no file, or too large.

    """
    if path.exists() and not path.is_file():
        raise BundleError(f"{path} is no file", "copy the bundle again")
    if path.stat().st_size > most:
        raise BundleError(f"{path} is larger than {(most + 1) >> 20:,} MiB", "export a smaller model")
    return path.read_bytes()


def _parse(path: Path) -> Facts:
    try:
        raw = json.loads(_read(path, _MAX_FACTS_BYTES).decode())
        if not isinstance(raw, dict):
            raise BundleError(f"{path} is no JSON object", "copy the bundle again")
        return _facts(raw, path)
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise BundleError(f"{path} is damaged: {error}", "copy the bundle again") from error


def _facts(raw: dict[str, Any], path: Path) -> Facts:
    version = raw.pop("format", None)
    if type(version) is not int or version < 1:
        raise BundleError(f"{path} has format {version!r}", "name a bundle's folder")
    if version > FORMAT:
        raise BundleError(
            f"{path} has format {version}, this program reads up to {FORMAT}", "install a newer twinset"
        )
    unknown = set(raw) - {f.name for f in fields(Facts)}
    if unknown:
        raise BundleError(f"{path} has unknown facts {sorted(unknown)}", "install a newer twinset")
    if raw.get("calibration") is not None:
        raw["calibration"] = Calibration.of(raw["calibration"])
    facts = Facts(preprocess=Preprocess.of(raw.pop("preprocess")), **raw)
    for name in _TEXTS:
        if not isinstance(getattr(facts, name), str):
            raise BundleError(f"{path} has {name} {getattr(facts, name)!r}", "use text")
    if not (isinstance(facts.recall, dict) and all(type(r) in (int, float) for r in facts.recall.values())):
        raise BundleError(f"{path} has recall {facts.recall!r}", "use numbers by protocol")
    if facts.precision != "f32":
        raise BundleError(f"{path} has precision {facts.precision!r}", "this program computes f32")
    if not (type(facts.dim) is int and 1 <= facts.dim <= 65_536):
        raise BundleError(f"{path} has dimension {facts.dim!r}", "use 1 to 65,536")
    if not (type(facts.box_margin) in (int, float) and 0 <= facts.box_margin <= 1):
        raise BundleError(f"{path} has box margin {facts.box_margin!r}", "use 0 to 1")
    return facts
