"""The README does what it says."""

import re
import shlex
from pathlib import Path

import pytest

from twinset.cli.main import main

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def test_the_ten_lines_work_on_what_the_demo_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The Python block runs beside a fresh demo, finds five items, and is at most ten lines long."""
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "-q"]) == 0
    said = capsys.readouterr().out
    block = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert block is not None
    code = block[1]
    assert len(code.strip().splitlines()) <= 10
    space: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), space)
    printed = capsys.readouterr().out.strip().splitlines()
    ranked = [line for line in printed if not line.startswith(" ")]
    assert len(ranked) == 6
    assert ranked[0].startswith("1 item_00002 ")
    space["catalogue"].close()  # type: ignore[attr-defined]
    for line in said.splitlines()[:4]:
        assert line in README, "the README shows what the demo prints"


def test_the_line_for_ones_own_folder_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The documented `index` and `search` lines run as written, on a folder of that name."""
    from twinset.datasets import wardrobe

    monkeypatch.chdir(tmp_path)
    photos = wardrobe.draw(tmp_path / "YOUR_PHOTOS", items=3, seed=7).parent
    next(photos.rglob("customer_01.jpg")).rename(tmp_path / "photo.jpg")
    lines = [
        line for line in re.findall(r"^\.venv/bin/twinset (.*)$", README, re.MULTILINE) if "my.catalogue" in line
    ][:2]
    assert [line.split()[0] for line in lines] == ["index", "search"]
    for line in lines:
        assert main(shlex.split(line)) == 0
    assert (tmp_path / "answer.png").is_file()
