"""`fit`, `export`."""

from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from twinset.cli.output import Json, PhotosRoot, Quiet, Talk, print_json, print_line
from twinset.errors import MissingExtraError
from twinset.manifest.split import parse_hold_out

if TYPE_CHECKING:
    from twinset.training.fit import Fitted
    from twinset.training.seeds import Repeated

_NEEDED: Final = ("accelerate", "matplotlib", "onnxscript", "safetensors", "tensorboard", "torch", "transformers")


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
    photos_root: PhotosRoot = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Trains a net on manifests by a recipe."""
    _require_extra()
    from twinset.training import recipe as recipes
    from twinset.training.fit import fit
    from twinset.training.recipe import Recipe
    from twinset.training.run import Run
    from twinset.training.seeds import repeat

    talk = Talk(quiet)
    begun = Run(out).recipe_path
    again = resume and recipe is None and not settings and begun.is_file()
    chosen = recipes.load(begun if again else recipe or recipes.DEFAULT).changed(settings or [])
    held = parse_hold_out(hold_out) if hold_out else None

    def train(one: Recipe, folder: Path) -> "Fitted":
        done = fit(
            sources, folder, one, hold_out=held, photos_root=photos_root, resume=resume, progress=talk.progress()
        )
        _tell(talk, done)
        return done

    if seeds == 1:
        done = train(chosen, out)
        print_json(_facts(done)) if json else _show(done)
        return
    repeated = repeat(train, chosen, out, seeds)
    print_json(repeated.to_json()) if json else _show_spread(repeated, out)


def export_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder that `fit --out` wrote.")],
    out: Annotated[Path, typer.Option("--out", help="The bundle's folder.")],
    name: Annotated[str, typer.Option("--name", help="The bundle's name; by default its folder's.")] = "",
    licence: Annotated[str, typer.Option("--licence", help="Under which licence the weights may be used.")] = "",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Makes a bundle of a run's best weights, after the two were found to embed alike."""
    _require_extra()
    from twinset.training.release import export_run

    talk = Talk(quiet)
    bundle, cosine, photos = export_run(run, out, name=name, licence=licence, progress=talk.progress())
    if json:
        facts = {"fingerprint": bundle.fingerprint, "dim": bundle.facts.dim, "cosine": cosine, "photos": photos}
        print_json({"bundle": str(out)} | facts)
        return
    talk.say(f"on {photos} photos it embeds as the net does, to a cosine of {cosine:.6f} at least")
    print_line(f"{out}: {len(bundle.model) / 2**20:.1f} MiB, {bundle.facts.dim} dimensions")


def _require_extra() -> None:
    """Says which extra is missing before anything else is done."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"training needs the extra `train` ({missing[0]} is missing)", 'pip install "twinset[train]"'
        )


def _facts(done: "Fitted") -> dict[str, Any]:
    facts = asdict(done)
    facts["run"] = str(done.run.folder)
    return facts


def _tell(talk: Talk, done: "Fitted") -> None:
    lines: Sequence[str] = done.notes
    for line in lines:
        talk.say(line)
    for finding in done.findings:
        talk.say(f"! {finding.message}: {finding.mend}")


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
