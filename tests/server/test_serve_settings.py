"""Settings of `serve`: from flags, the environment and a file, each with where it came from; and their page."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinset.cli import admin
from twinset.cli.config import configure, unread
from twinset.cli.main import main
from twinset.errors import PathError, UsageError
from twinset.server.telemetry import Telemetry
from twinset.settings import ServeSettings

Out = pytest.CaptureFixture[str]
ADMIN = "an-admin-key-of-the-tests"
ROOT = Path(__file__).parents[2]


def test_deployments_set_what_is_read() -> None:
    """Every variable in them is a setting's."""
    for name in ("Dockerfile", "compose.yaml", "deploy/twinset.service", "docs/serve.md", "docs/deploy.md"):
        told = re.findall(r"TWINSET_[A-Z_]*[A-Z]", (ROOT / name).read_text(encoding="utf-8"))
        assert told
        assert unread(dict.fromkeys(told, "")) == [], name
    found = configure({}, {}, ROOT / "deploy/serve.toml")
    assert (found.catalogues, found.settings.loopback) == ({"shop": Path("/var/lib/twinset/shop")}, True)


def test_everything_is_documented() -> None:
    """docs/serve.md has each setting, route and metric; its codes are held in test_openapi.py."""
    page = (ROOT / "docs/serve.md").read_text(encoding="utf-8")
    variables = {f"TWINSET_{name.upper()}" for name in GIVEN}
    metrics = set(re.findall(r"^# TYPE (twinset_\w+?)(?:_created)? ", Telemetry().page().decode(), re.MULTILINE))
    routes = {
        "/v1/search",
        "/v1/items/{item_id}",
        "/v1/photos/{photo_id}",
        "/v1/facets",
        "/v1/catalogue",
        "/v1/limits",
    }
    routes |= {"/v1/items/{item_id}/similar", "/v1/feedback", "/v1/events", "/healthz", "/readyz", "/metrics"}
    for name in variables | routes | metrics:
        assert f"`{name}`" in page, name


LAYERS = ("flag", "environment", "file")
GIVEN: dict[str, tuple[Any, Any, Any]] = {
    "catalogue": (("a=x",), ("b=x", "c=x"), ("d=x",)),
    "host": ("127.0.0.2", "127.0.0.3", "localhost"),
    "port": (1, 2, 3),
    "key": ("k" * 16, "l" * 17, "m" * 18),
    "admin_key": ("a" * 16, "b" * 17, "c" * 18),
    "public": (True, False, True),
    "rate": (4, 5, 6),
    "quota": (7, 8, 9),
    "allow_host": (("a.example", "b.example"), ("c.example",), ("d.example", "e.example")),
    "allow_origin": (("https://a.example",), ("https://b.example",), ("https://c.example",)),
    "trusted_proxy": (("10.0.0.1",), ("10.0.0.0/8", "::1"), ("10.0.0.3",)),
    "queue": (10, 11, 12),
    "receive_seconds": (1.5, 2.5, 3.0),
    "most_hits": (13, 14, 15),
    "most_photos": (1, 2, 3),
    "device": ("cpu", "auto", "cuda"),
    "events": ("x", "y", "z"),
    "theme": ("u", "v", "w"),
}


def toml(value: Any) -> str:
    """A value as a TOML file has it."""
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def text(value: Any) -> str:
    """A value as a variable has it."""
    return ",".join(value) if isinstance(value, tuple) else str(value)


def test_every_setting_can_be_given() -> None:
    """The table below tests each field, and `serve` has a flag for it."""
    assert GIVEN.keys() == {"catalogue", *ServeSettings.__dataclass_fields__}


@settings(max_examples=60, deadline=None)
@given(given=st.dictionaries(st.sampled_from(sorted(GIVEN)), st.sets(st.sampled_from(LAYERS), min_size=1)))
def test_flags_come_before_the_environment_before_the_file(
    given: dict[str, set[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each setting by itself, lists as a whole; and where it came from is told."""
    flags, variables, file = (
        {name: GIVEN[name][number] for name, layers in given.items() if layer in layers}
        for number, layer in enumerate(LAYERS)
    )
    path = tmp_path_factory.getbasetemp() / "settings.toml"
    path.write_text("".join(f"{name} = {toml(value)}\n" for name, value in file.items()), encoding="utf-8")
    environment = {f"TWINSET_{name.upper()}": text(value) for name, value in variables.items()}
    found = configure(dict.fromkeys(GIVEN) | flags, environment | {"TWINSET_SETTINGS": str(path)})
    for name, values in GIVEN.items():
        first = next((layer for layer in LAYERS if layer in given.get(name, ())), None)
        told = {"flag": "flag", "environment": "environment", "file": f"file {path}", None: "default"}
        assert found.origins[name] == told[first]
        if name == "catalogue":
            wanted = values[LAYERS.index(first)] if first else ()
            assert tuple(f"{key}={folder}" for key, folder in found.catalogues.items()) == wanted
        else:
            wanted = values[LAYERS.index(first)] if first else getattr(ServeSettings(), name)
            assert getattr(found.settings, name) == wanted


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"TWINSET_PORT": "tcp://10.0.0.1:80"}, "TWINSET_PORT is 'tcp://10.0.0.1:80'"),
        ({"TWINSET_PUBLIC": "perhaps"}, "use true or false"),
        ({"TWINSET_RECEIVE_SECONDS": "nan"}, "receive_seconds is nan"),
        ({"TWINSET_RATE": "1.5"}, "use a whole number"),
        ({"TWINSET_PORT": "70000"}, "port is 70000"),
        ({"TWINSET_HOST": "0.0.0.0"}, "can be reached from other machines"),
        ({"TWINSET_DEVICE": "gpu"}, "there is no device 'gpu': did you mean cuda?"),
        ({"TWINSET_KEY": "short"}, "key is not safe"),
        ({"TWINSET_CATALOGUE": "a=x,a=y"}, "two catalogues are named a"),
        ({"TWINSET_CATALOGUE": "x/shop,y/shop"}, "two catalogues are named shop"),
        ({"TWINSET_CATALOGUE": "a b=x"}, "is no NAME=DIR"),
        ({"TWINSET_CATALOGUE": "=x"}, "is no NAME=DIR"),
        ({"TWINSET_CATALOGUE": "a="}, "is no NAME=DIR"),
    ],
)
def test_a_wrong_variable_is_told(variables: dict[str, str], says: str) -> None:
    """By its name, its value and the mend."""
    with pytest.raises(UsageError, match=r".") as refused:
        configure({}, variables)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("alow_host = []", "did you mean allow_host?"),
        ("allow-host = []", "did you mean allow_host?"),
        ("[serve]\nport = 1", "there is no setting 'serve'"),
        ("port = '80'", "use a whole number"),
        ("port = true", "use a whole number"),
        ("public = 1", "use true or false"),
        ("allow_host = 'a'", "a list of texts"),
        ("allow_host = [1]", "a list of texts"),
        ("port = ", "is no TOML"),
    ],
)
def test_a_wrong_line_of_the_file_is_told(written: str, says: str, tmp_path: Path) -> None:
    """An unknown name with the nearest, a value of another type with the right one."""
    path = tmp_path / "settings.toml"
    path.write_text(written, encoding="utf-8")
    with pytest.raises(UsageError, match=r".") as refused:
        configure({}, {}, path)
    assert says in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_key_in_the_file_is_never_told(tmp_path: Path) -> None:
    """Neither by an error nor by the settings' own text."""
    path = tmp_path / "settings.toml"
    path.write_text("admin_key = 1234567890123456", encoding="utf-8")
    with pytest.raises(UsageError, match="admin_key is of another type") as refused:
        configure({}, {}, path)
    assert "1234567890123456" not in str(refused.value)
    assert ADMIN not in repr(ServeSettings(key=ADMIN, admin_key=f"{ADMIN}2"))
    with pytest.raises(PathError, match="cannot be read"):
        configure({}, {"TWINSET_SETTINGS": str(tmp_path / "none.toml")})


def test_what_is_empty_is_not_given(tmp_path: Path) -> None:
    """As compose files write variables that may be missing; a folder's name is its catalogue's."""
    found = configure({"catalogue": (f"{tmp_path}/shop.catalogue",)}, {"TWINSET_KEY": "", "TWINSET_PORT": " "})
    assert (found.settings, list(found.catalogues)) == (ServeSettings(), ["shop.catalogue"])
    named = configure({"catalogue": ("./a=b", "c=d=e")}, {}).catalogues
    assert named == {"a=b": Path("a=b"), "c": Path("d=e")}
    assert unread({"TWINSET_KEY": "", "TWINSET_KEYS": "", "OTHER": ""}) == ["TWINSET_KEYS"]


def test_doctor_shows_settings_and_origins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    """Never a key; what could not be served with is a finding."""
    path = tmp_path / "settings.toml"
    path.write_text('port = 8080\nqueue = 9\ncatalogue = ["de=/srv/de"]', encoding="utf-8")
    for name, value in {"PORT": "9090", "ADMIN_KEY": ADMIN, "SETTINGS": str(path), "ALOW_HOST": "a"}.items():
        monkeypatch.setenv(f"TWINSET_{name}", value)
    assert main(["doctor", "--json"]) == 0
    said = capsys.readouterr().out
    found = {finding["name"]: finding["value"] for finding in json.loads(said)["findings"]}
    assert found["serve port"] == "9090 (environment)"
    assert found["serve queue"] == f"9 (file {path})"
    assert found["serve catalogue"] == f"de=/srv/de (file {path})"
    assert (found["serve admin_key"], found["serve key"]) == ("set (environment)", "none (default)")
    assert found["serve public"] == "no (default)"
    assert "TWINSET_ALOW_HOST" in found["not read"]
    assert ADMIN not in said
    monkeypatch.setenv("TWINSET_HOST", "0.0.0.0")
    assert main(["doctor"]) == 1
    out, err = capsys.readouterr()
    assert "set a search key (--key, TWINSET_KEY)" in out
    assert "serve: 0.0.0.0 can be reached from other machines" in err


def test_doctor_tells_that_serving_is_not_installed(monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    """Where something is set for it, with the exact command; else nobody asked for it."""
    for name in os.environ:
        if name.startswith("TWINSET_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(admin, "NEEDED", ("no_such_library",))
    assert main(["doctor"]) == 0
    monkeypatch.setenv("TWINSET_RATE", "9")
    assert main(["doctor"]) == 1
    told = 'serve: serving needs the extra `serve` (no_such_library is missing): pip install "twinset[serve]"'
    assert told in " ".join(capsys.readouterr().err.split())
