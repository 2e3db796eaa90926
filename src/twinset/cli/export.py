"""`export`: a run, or a published model, as a bundle."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from twinset import published
from twinset.bundle import FACTS
from twinset.cli.output import Json, Quiet, Talk, print_json, print_line
from twinset.cli.train import require_training
from twinset.errors import PathError, UsageError

if TYPE_CHECKING:
    from twinset.bundle import Bundle

_RUN: Final = "run.json"
_NEEDED: Final = ("onnx", "onnxscript", "safetensors", "torch", "transformers")
"""What a published model takes that is no ONNX file."""
_ONNX: Final = ".onnx"
_WORDS: Final = {"open_clip": "a model of OpenCLIP", "transformers": "a model of transformers"}


class _Made(NamedTuple):
    """A bundle, what it was made from, and the least cosine between the two on how many photos, if measured."""

    bundle: "Bundle"
    origin: str
    cosine: float | None = None
    photos: int | None = None


def add_commands(app: typer.Typer) -> None:
    """Adds this module's command."""
    app.command("export")(export_command)


def export_command(
    model: Annotated[
        str,
        typer.Argument(
            metavar="RUN|MODEL",
            help="A run's folder, a published model's folder or ONNX file, or its id of the hub.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="The bundle's folder.")],
    name: Annotated[str, typer.Option("--name", help="The bundle's name; by default its folder's.")] = "",
    photos_root: Annotated[
        Path | None, typer.Option("--photos-root", help="Where the paths of the run's photos start, if they moved.")
    ] = None,
    licence: Annotated[str, typer.Option("--licence", help="Under which licence the weights may be used.")] = "",
    halves: Annotated[
        bool, typer.Option("--halves", help="Keep a run's weights in half the bytes; they compute in full.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Makes a bundle of a run's best weights, or of a published model, after the two were found to embed alike."""
    talk = Talk(quiet)
    if (Path(model) / _RUN).is_file():
        made = _run(Path(model), out, talk, name=name, licence=licence, photos_root=photos_root, halves=halves)
    elif halves:
        raise UsageError(f"--halves is for the weights of a run, and {model} is none", "leave it out")
    elif photos_root is not None:
        raise UsageError(f"--photos-root is for the photos of a run, and {model} is none", "leave it out")
    else:
        made = _published(model, out, name, licence, talk)
    bundle = made.bundle
    if json:
        facts = {"fingerprint": bundle.fingerprint, "dim": bundle.facts.dim, "from": made.origin}
        print_json({"bundle": str(out)} | facts | {"cosine": made.cosine, "photos": made.photos})
        return
    print_line(f"{out}: {len(bundle.model) / 2**20:.1f} MiB, {bundle.facts.dim} dimensions")


def _run(
    folder: Path, out: Path, talk: Talk, *, name: str, licence: str, photos_root: Path | None, halves: bool
) -> _Made:
    require_training()
    from twinset.training.release import export_run

    progress = talk.progress()
    bundle, cosine, photos = export_run(
        folder, out, name=name, licence=licence, photos_root=photos_root, halves=halves, progress=progress
    )
    talk.say(f"on {photos} photos it embeds as the net does, to a cosine of {cosine:.6f} at least")
    return _Made(bundle, "run", cosine, photos)


def _published(model: str, out: Path, name: str, licence: str, talk: Talk) -> _Made:
    """By way of torch where its weights and the libraries are there, else as the ONNX file that it is."""
    able = all(find_spec(library) is not None for library in _NEEDED)
    path, source = _found(model, able=able)
    if path.is_file():
        return _adopted(path, source, out, name, licence, talk)
    if (path / FACTS).is_file():
        raise PathError(f"{model} is a bundle already", "name the model that it was made of")
    layouts = published.layouts(path)
    if not (layouts or able or Path(model).is_dir()):
        require_training(_NEEDED, f"{model} has no ONNX file, and other weights need")
    if not layouts:
        raise PathError(
            f"{model} holds no run and no model",
            f"name a folder with {_RUN}, with {published.OPEN_CLIP} or {published.CONFIG} and safetensors, or with "
            f"{' or '.join(published.ONNX_MODELS[:2])}; pickles are never read",
        )
    if layouts[0] == "onnx" or (not able and "onnx" in layouts):
        return _adopted(path, source, out, name, licence, talk)
    require_training(_NEEDED, "models that are no ONNX files need")
    from twinset.training.release import export_published

    talk.say(f"{source} is {_WORDS[layouts[0]]}: its weights are exported by way of torch")
    bundle, cosine, photos = export_published(
        path, out, source=source, name=name, licence=licence, progress=talk.progress()
    )
    talk.say(f"on {photos} drawn photos it embeds as the published model, to a cosine of {cosine:.6f} at least")
    return _Made(bundle, layouts[0], cosine, photos)


def _adopted(path: Path, source: str, out: Path, name: str, licence: str, talk: Talk) -> _Made:
    from twinset.adopt import adopt

    adopted = adopt(path, out, source=source, name=name, licence=licence)
    origin = adopted.bundle.facts.backbone
    talk.say(f"{adopted.file.name} of {origin} was adopted as it is: the embedding is its {adopted.told}")
    return _Made(adopted.bundle, "onnx")


def _found(model: str, *, able: bool) -> tuple[Path, str]:
    """Where a published model lies, fetched from the hub if it is nowhere here, and what a card calls it.

    A file is called by its model's folder, which `adopt` finds.
    """
    path = Path(model)
    if path.is_dir():
        return path, path.resolve().name
    if path.is_file():
        if path.suffix != _ONNX:
            raise PathError(f"{model} is no ONNX file", "name a model's folder, or a file that ends in .onnx")
        return path, ""
    if published.is_hub_id(model) and not model.endswith(_ONNX):
        return published.fetch_model(model, onnx=not able), model
    owner_and_name, file = "/".join(model.split("/")[:2]), "/".join(model.split("/")[2:])
    if file.endswith(_ONNX) and published.is_hub_id(owner_and_name):
        fetched = published.fetch(owner_and_name, (*published.TOLD, f"{file}*"))
        if not (fetched / file).is_file():
            raise PathError(f"{owner_and_name} of the hub has no {file}", "look at its files there")
        return fetched / file, owner_and_name
    raise PathError(
        f"there is no {model}",
        "name a run's or a model's folder, an ONNX file, or a model of the hub as owner/name",
    )
