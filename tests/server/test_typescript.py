"""A TypeScript client generated from the description, type-checked and run, as docs/clients.md says."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from server.serving import serving
from shops import build, shop
from twinset.server.app import create_app
from twinset.settings import ServeSettings

DOCS = Path(__file__).parents[2] / "docs"
KEY = "k" * 16
CHECK = "--strict --target es2022 --skipLibCheck --types node"
BUNDLED = f"{CHECK} --noEmit --module esnext --moduleResolution bundler"
BUILT = f"{CHECK} --outDir built --module commonjs --moduleResolution node10"


def run(folder: Path, *command: str) -> str:
    """What a command says that must succeed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.deep
@pytest.mark.skipif(not shutil.which("npx"), reason="npx (Node 20 or newer) is not installed")
def test_the_documented_program_searches(tmp_path: Path) -> None:
    """Generated with the documented commands, type-checked strictly, run against a server."""
    text = (DOCS / "clients.md").read_text(encoding="utf-8")
    install, generate = re.findall(r"^(?:npm|npx) .*$", text, re.MULTILINE)
    program = re.search(r"```typescript\n(.*?)```", text, re.DOTALL)
    assert program is not None
    assert len(program[1].splitlines()) <= 12
    (tmp_path / "main.ts").write_text(program[1], encoding="utf-8")
    (tmp_path / "package.json").write_text('{"private": true}', encoding="utf-8")
    run(tmp_path, *install.split(), "--ignore-scripts", "--no-audit", "--no-fund")
    run(tmp_path, *generate.replace("docs/openapi.json", str(DOCS / "openapi.json")).split())
    run(tmp_path, "npx", "tsc", *BUNDLED.split(), "main.ts")
    run(tmp_path, "npx", "tsc", *BUILT.split(), "main.ts")
    photo = str(tmp_path / "shop/000/0.png")
    with (
        build(tmp_path / "c", shop(tmp_path / "shop", items=6)) as catalogue,
        serving(create_app(catalogue, ServeSettings(key=KEY))) as url,
    ):
        lines = run(tmp_path, "node", "built/main.js", url, KEY, photo).splitlines()
    assert len(lines) == 5
    assert lines[0] == "1 i000 1.000"
