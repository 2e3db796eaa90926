"""`fit`."""

import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from twinset.cli.output import Json, PhotosRoot, Quiet, Talk, begins, print_json, print_line, require_extra
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
    """Adds this module's command."""
    app.command("fit")(fit_command)


def _recipes() -> list[str]:
    """Looked up without the package `training`, which takes seconds to load, and the extra."""
    folder = resources.files("twinset") / "training" / "recipes"
    return sorted(Path(entry.name).stem for entry in folder.iterdir())


def fit_command(
    sources: Annotated[list[Path], typer.Argument(metavar="MANIFEST...", help="Manifests (CSV) or folders.")],
    out: Annotated[Path, typer.Option("--out", help="The run's folder.")],
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", autocompletion=begins(_recipes), help="A recipe's name, or the path of a .toml."),
    ] = None,
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
    require_training()
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


def require_training(needed: Sequence[str] = _NEEDED, what: str = "training needs") -> None:
    """Says what is missing of the extra `train`, and sets how torch's threads will wait.

    They spin while they wait for each other: beside another busy process a step then takes ten times as long.

    Raises:
        MissingExtraError: one of the needed libraries is not installed.

    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    require_extra("train", needed, what)


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
