"""`demo`."""

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from twinset import demo
from twinset.cli import serve
from twinset.cli.output import Json, Quiet, Talk, print_json, print_line


def add_commands(app: typer.Typer) -> None:
    """Adds this module's command."""
    app.command("demo")(demo_command)


def demo_command(
    out: Annotated[Path, typer.Option("--out", help="The folder to write.")] = Path("twinset-demo"),
    served: Annotated[
        bool, typer.Option("--serve", help="Then serve it (extra `serve`); the address is printed.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Draws a shop, indexes it, finds the products in customers' photos, and measures how often."""
    if served:
        serve.require_serving()
    done = demo.run(out, Talk(quiet).progress())
    measured = done.evaluation
    if json:
        print_json(measured.to_json() | {"sheet": str(done.sheet), "query": str(done.query)})
    else:
        _tell(done, out, served=served)
    if served:
        serve.serve_until_told({"catalogue": (str(out / "shop.catalogue"),)}, json=json, quiet=quiet)


def _tell(done: demo.Demo, out: Path, *, served: bool) -> None:
    measured = done.evaluation
    print_line("  ".join(f"recall@{k} {value:.2f}" for k, value in measured.recall.items() if k <= 20))
    print_line(
        f"{measured.queries} customers' photos, each searched by the box around its garment in all "
        f"{measured.items} items; by chance recall@1 is {1 / measured.items:.3f}."
    )
    print_line("These garments are drawn: the figures say that everything works, not how well on your photos.")
    print_line(f"Look at {done.sheet}: six customers' photos and their first five items, the right one framed.")
    print_line(f"Written to {out}: photos.csv, shop.catalogue, sheet.png")
    print_line("")
    box = " --box " + ",".join(f"{side:.2f}" for side in done.box) if done.box else ""
    print_line(f"Search it:       {_program()} search {done.query}{box} --catalogue {out / 'shop.catalogue'}")
    if not served:
        print_line(f"In a browser:    {_program()} demo --serve --out {out}")
    print_line(f"Your own folder: {_program()} index YOUR_PHOTOS --catalogue my.catalogue")


def _program() -> str:
    """How this program is called from here: by its name where it is on the path, else as it was called."""
    if shutil.which("twinset"):
        return "twinset"
    return "python -m twinset" if sys.argv[0].endswith("__main__.py") else sys.argv[0]
