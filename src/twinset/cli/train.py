"""`fit`, `export`."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from twinset.cli.output import Json, PhotosRoot, Quiet, Talk, print_json, print_line
from twinset.errors import MissingExtraError
from twinset.manifest.split import parse_hold_out

if TYPE_CHECKING:
    from twinset.training.fit import Fitted
    from twinset.training.seeds import Repeated

_NEEDED: Final = (
    "accelerate",
    "matplotlib",
    "onnx",
    "onnxscript",
    "safetensors",
    "tensorboard",
    "torch",
    "transformers",
)


def add_commands(app: typer.Typer) -> None:
    """Adds this module's commands."""
    app.command("fit")(fit_command)
    app.command("export")(export_command)


def fit_command(
    sources: Annotated[list[Path], typer.Argument(metavar="MANIFEST...", help="Manifests (CSV) or folders.")],
    out: Annotated[Path, typer.Option("--out", help="The run's folder.")],
    recipe: Annotated[str | None, typer.Option("--recipe", help="A recipe's name, or the path of a .toml.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting in place of the recipe's.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a run was cut, by its recipe.")] = False,
    seeds: Annotated[int, typer.Option("--seeds", help="Train so many times, and tell mean and spread.")] = 1,
    hold_out: Annotated[
        str | None, typer.Option("--hold-out", metavar="COLUMN=0-7", help="Leave out rows by the hash of a column.")
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option("--where", help="FIELD OP VALUE: train on and judge by these rows alone.")
    ] = None,
    photos_root: PhotosRoot = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Trains a net on manifests by a recipe."""
    _require_extra()
    from twinset.training import recipe as recipes
    from twinset.training.data import Selection
    from twinset.training.fit import fit
    from twinset.training.recipe import Recipe
    from twinset.training.seeds import repeat

    talk = Talk(quiet)
    held = parse_hold_out(hold_out) if hold_out else None
    selection = Selection(tuple(where or ()), held, photos_root)
    begun = _begun(out) if resume else None
    if resume and begun is None:
        talk.say(f"there is no run in {out} yet: it is begun anew")
    chosen = recipes.load(recipe or begun or recipes.DEFAULT).changed(settings or [])

    def train(one: Recipe, folder: Path) -> "Fitted":
        progress, say = talk.progress(), talk.say
        try:
            return fit(sources, folder, one, selection=selection, resume=resume, progress=progress, say=say)
        except KeyboardInterrupt:
            say(f"the same command with --resume goes on from the last state in {folder}")
            raise

    if seeds == 1:
        done = train(chosen, out)
        print_json(done.to_json()) if json else _show(done)
        return
    repeated = repeat(train, chosen, out, seeds)
    print_json(repeated.to_json()) if json else _show_spread(repeated, out)


def _begun(out: Path) -> Path | None:
    """The recipe of the run that was begun in a folder, or of the first of several seeds."""
    return next(
        (path for path in (out / "recipe.toml", *sorted(out.glob("seed-*/recipe.toml"))) if path.is_file()), None
    )


def export_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder that `fit --out` wrote.")],
    out: Annotated[Path, typer.Option("--out", help="The bundle's folder.")],
    name: Annotated[str, typer.Option("--name", help="The bundle's name; by default its folder's.")] = "",
    photos_root: Annotated[
        Path | None, typer.Option("--photos-root", help="Where the paths of the run's photos start, if they moved.")
    ] = None,
    licence: Annotated[str, typer.Option("--licence", help="Under which licence the weights may be used.")] = "",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Makes a bundle of a run's best weights, after the two were found to embed alike."""
    _require_extra()
    from twinset.training.release import export_run

    talk = Talk(quiet)
    bundle, cosine, photos = export_run(
        run, out, name=name, licence=licence, photos_root=photos_root, progress=talk.progress()
    )
    if json:
        facts = {"fingerprint": bundle.fingerprint, "dim": bundle.facts.dim, "cosine": cosine, "photos": photos}
        print_json({"bundle": str(out)} | facts)
        return
    talk.say(f"on {photos} photos it embeds as the net does, to a cosine of {cosine:.6f} at least")
    print_line(f"{out}: {len(bundle.model) / 2**20:.1f} MiB, {bundle.facts.dim} dimensions")


def _require_extra() -> None:
    """Says which extra is missing before anything else is done, and sets how torch's threads will wait.

    They spin while they wait for each other: beside another busy process a step then takes ten times as long.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"training needs the extra `train` ({missing[0]} is missing)", 'pip install "twinset[train]"'
        )


def _show(done: "Fitted") -> None:
    print_line(f"{done.run.folder}: {done.steps:,} steps, {done.photos:,} photos seen in {done.seconds:,.0f} s")
    if done.recall is None or done.best is None:
        print_line("no validation: the last state counts as the best")
    else:
        early = ", stopped early" if done.stopped_early else ""
        best = f"best {done.best:.3f} at step {done.best_step:,}"
        print_line(f"validation recall@1 {done.recall:.3f} at the end{early}; {best}")


def _show_spread(repeated: "Repeated", out: Path) -> None:
    if repeated.mean is None:
        print_line(f"{out}: {len(repeated.runs)} runs, no validation")
        return
    print_line(
        f"{out}: {len(repeated.runs)} runs, recall@1 {repeated.mean:.3f} ± {repeated.deviation:.3f} "
        f"({repeated.lowest:.3f} to {repeated.highest:.3f})"
    )
