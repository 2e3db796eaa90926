"""The layers, homes and budgets of the house, read from its imports."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import twinset

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src/twinset"
FILES = sorted(SOURCE.rglob("*.py"))
WEB = sorted(path for path in (SOURCE / "web").rglob("*") if path.is_file())

LEVELS = {
    "errors": 0,
    "records": 0,
    "progress": 0,
    "files": 1,
    "served": 0,
    "unpacked": 1,
    "recent": 1,
    "arrow": 1,
    "metrics": 1,
    "where": 1,
    "calibration": 1,
    "photos": 1,
    "preprocess": 1,
    "runtime": 1,
    "settings": 2,
    "manifest": 2,
    "prepared": 2,
    "bundle": 2,
    "protocols": 2,
    "simulate": 2,
    "sheet": 2,
    "webpage": 2,
    "stripped": 2,
    "vectors_file": 2,
    "published": 3,
    "card": 3,
    "embedder": 3,
    "store": 3,
    "datasets": 3,
    "adopt": 4,
    "batching": 4,
    "fetch": 4,
    "boxes": 4,
    "explain": 4,
    "group": 4,
    "ranking": 4,
    "rerank": 4,
    "twins": 4,
    "calibrate": 5,
    "catalogue": 5,
    "join": 5,
    "evaluate": 6,
    "audit": 7,
    "paired": 7,
    "report": 7,
    "training": 7,
    "demo": 8,
    "doctor": 8,
    "client": 8,
    "server": 8,
    "cli": 9,
    "__init__": 10,
    "__main__": 10,
}
LARGEST_FILE, LARGEST_FUNCTION = 400, 60


def module(path: Path) -> str:
    """The dotted name below `twinset` of a source file."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


def room(name: str) -> str:
    """The file or package directly below `twinset` that a module belongs to."""
    return name.split(".", maxsplit=1)[0]


def imports(path: Path) -> Iterator[str]:
    """The absolute names that a file imports, `twinset.` in front of ours."""
    here = path.relative_to(SOURCE).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join(("twinset", *here[: len(here) - node.level + 1], base)).rstrip(".")
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def ours(path: Path) -> set[str]:
    """The rooms of twinset that a file imports from."""
    names = {name.removeprefix("twinset.") for name in imports(path) if name.startswith("twinset.")}
    return {room(name) for name in names} & LEVELS.keys()


@pytest.mark.parametrize("path", FILES, ids=module)
def test_imports_only_go_down(path: Path) -> None:
    """A module imports from lower levels, or from its own package."""
    own = room(module(path))
    assert own in LEVELS, f"{own} has no level"
    for other in ours(path) - {own}:
        assert LEVELS[other] < LEVELS[own], f"{own} (L{LEVELS[own]}) imports {other} (L{LEVELS[other]})"


def test_evaluate_and_catalogue_do_not_know_each_other() -> None:
    """Neither imports the other: whatever embeds can be measured."""
    for path in FILES:
        rooms = {room(module(path)), *ours(path)}
        assert not ({"evaluate", "catalogue"} <= rooms and room(module(path)) in ("evaluate", "catalogue"))


@pytest.mark.parametrize(
    ("library", "home"),
    [
        ("sqlite3", "store"),
        ("onnxruntime", "runtime"),
        ("torch", "training"),
        ("transformers", "training"),
        ("accelerate", "training"),
        ("fcntl", "files"),
        ("typer", "cli"),
        ("xml", "manifest"),
        ("pyarrow", "arrow"),
        ("httpcore2", "fetch"),
        ("httpx2", "client"),
        ("socket", "fetch server"),
        ("faiss", "store"),
        ("fastapi", "server"),
        ("starlette", "server"),
        ("uvicorn", "server"),
        ("prometheus_client", "server"),
        ("pydantic", "server"),
    ],
)
def test_each_library_has_one_home(library: str, home: str) -> None:
    """A foreign library that is translated is imported in one room only (`doctor` tells SQLite's version)."""
    users = {
        room(module(path)) for path in FILES if any(name.split(".")[0] == library for name in imports(path))
    } - {"doctor"}
    assert users <= set(home.split())


def test_one_file_knows_faiss() -> None:
    """Inside `store`, too, FAISS has one user."""
    assert [module(path) for path in FILES if "faiss" in imports(path)] == ["store.faiss"]


def test_only_photos_decodes() -> None:
    """No other module opens a picture with Pillow."""
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        if module(path) != "photos":
            assert not re.search(r"Image\.open\(|ImagePlugin|ImageFile\b", text), module(path)


@pytest.mark.parametrize("path", [p for p in FILES if LEVELS[room(module(p))] < 8], ids=module)
def test_the_library_neither_prints_nor_exits_nor_reads_the_environment(path: Path) -> None:
    """Below demo and cli nothing prints, exits or looks at the environment."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("print", "exit", "sys.exit", "os.getenv", "input"), (
                f"line {node.lineno}: {called}"
            )
        if isinstance(node, ast.Attribute):
            silenced = module(path) == "runtime"  # it sets the one variable that keeps ONNX Runtime from reporting
            seen = ast.unparse(node)
            assert seen not in ("sys.argv", "sys.stdout"), f"line {node.lineno}"
            assert seen != "os.environ" or silenced, f"line {node.lineno}"


@pytest.mark.parametrize("path", FILES, ids=module)
def test_files_and_functions_stay_small(path: Path) -> None:
    """No file over 400 lines, no function over 60, no `assert`, no drawer."""
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= LARGEST_FILE
    assert path.stem not in ("utils", "helpers", "common", "misc")
    for node in ast.walk(ast.parse(text)):
        assert not isinstance(node, ast.Assert), f"line {node.lineno}"
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno <= LARGEST_FUNCTION, node.name


def test_the_facade_is_small() -> None:
    """`Catalogue` only hands on."""
    assert len((SOURCE / "catalogue/__init__.py").read_text(encoding="utf-8").splitlines()) <= 190


def test_the_root_has_few_names_and_each_is_there() -> None:
    """At most 12 public names, sorted, all of which can be imported."""
    assert len(twinset.__all__) <= 12
    assert list(twinset.__all__) == sorted(twinset.__all__)
    for name in twinset.__all__:
        assert getattr(twinset, name).__name__ == name


def test_import_twinset_is_light() -> None:
    """`import twinset` loads neither numpy, Pillow, a runtime, torch nor fastapi."""
    code = (
        "import sys, twinset; print([m for m in ('numpy', 'PIL', 'onnxruntime', 'torch', 'fastapi', 'typer') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


_MANY = ("TwinsetError", "PhotoError", "RequestError")
"""Errors of more than one code."""


def test_the_error_tree_is_drawn_as_it_is() -> None:
    """The docstring of `errors` names every error with its code, exit code and HTTP status."""
    from twinset import errors

    drawn = dict(re.findall(r"(\w+Error)\s+(.+)", errors.__doc__ or ""))
    classes = {n: c for n, c in vars(errors).items() if isinstance(c, type) and issubclass(c, Exception)}
    assert drawn.keys() == classes.keys()
    for name, kind in classes.items():
        facts = drawn[name].split()
        assert facts[-1] == str(kind.http_status) or name in _MANY
        if name not in _MANY:
            assert facts == [kind.code, str(kind.exit_code), str(kind.http_status)]


def test_every_file_has_its_line_in_architecture() -> None:
    """ARCHITECTURE.md says one line of each file."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for path in FILES:
        name = str(path.relative_to(SOURCE))
        assert f"`{name}`" in text, name
    for path in WEB:  # the photos of a folder share a line
        name = str(path.relative_to(SOURCE))
        assert f"`{name}`" in text or f"`{Path(name).parent}/`" in text, name


def test_the_pages_modules_stay_small() -> None:
    """As Python's files do; and each begins by saying what it is, but for the words of a language."""
    modules = [path for path in WEB if path.suffix == ".js"]
    assert len(modules) > 10
    for path in modules:
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= LARGEST_FILE, path.name
        assert text.startswith("/**") or path.parent.name == "words", path.name


def test_the_version_stands_in_the_changelog() -> None:
    """Package, project file and changelog agree on the version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == twinset.__version__
    assert f"## {twinset.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_dependency_is_pinned() -> None:
    """constraints.txt pins what the core and the extras ask for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().replace("_", "-")
    for requirement in wanted:
        name = re.split(r"[\[><=!~ ]", requirement)[0].lower()
        if name == "twinset":  # an extra that takes in others
            continue
        assert f"\n{name}==" in pinned, name


def test_what_dependencies_need_is_pinned_too() -> None:
    """Whatever is installed because of them, however far away."""
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()}
    known = {canonicalize_name(name) for name in pinned}
    waiting, seen = sorted(known), set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen or not installed(name):
            continue
        seen.add(name)
        for needed in map(Requirement, requires(name) or ()):
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                waiting.append(canonicalize_name(needed.name))
    assert len(seen) > 50
    assert seen - known <= {"setuptools"}  # comes with the environment


def installed(name: str) -> bool:
    """Whether a distribution is there: some are for other machines."""
    try:
        return bool(distribution(name))
    except PackageNotFoundError:
        return False
