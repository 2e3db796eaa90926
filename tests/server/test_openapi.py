"""The API's description: frozen in docs/openapi.json, and what it says of every route."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from shops import build, shop
from twinset.errors import PHOTO_CODES, REQUEST_CODES, http_status, of_code
from twinset.server.app import create_app

FROZEN = Path(__file__).parents[2] / "docs/openapi.json"
RENEW = "scripts/renew_openapi.py"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """The application of a shop of two items."""
    place = tmp_path_factory.mktemp("openapi")
    with build(place / "c", shop(place / "shop", items=2, views=1)) as catalogue:
        made = create_app(catalogue)
        yield made
        made.state.service.close()


def operations(told: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every operation by its method and address."""
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_the_description_is_the_frozen_one(app: FastAPI) -> None:
    """What clients were generated from changes only on purpose."""
    told, frozen = app.openapi(), json.loads(FROZEN.read_text(encoding="utf-8"))
    ours, theirs = dict(operations(told)), dict(operations(frozen))
    changed = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    schemas = told["components"]["schemas"], frozen["components"]["schemas"]
    changed += [name for name in {**schemas[0], **schemas[1]} if schemas[0].get(name) != schemas[1].get(name)]
    assert told == frozen, (
        f"the API is not what docs/openapi.json says ({', '.join(changed) or 'its head'}): "
        f"if that is meant, run `python {RENEW}`, look at the difference, and tell it in CHANGELOG.md"
    )


def test_every_route_says_what_it_does(app: FastAPI) -> None:
    """A name for generated clients, a summary, what it does, and what each parameter means."""
    names = []
    for name, operation in operations(app.openapi()):
        names.append(operation["operationId"])
        assert operation["summary"], name
        assert operation["description"].endswith("."), name
        assert operation["tags"], name
        for parameter in operation.get("parameters", []):
            assert parameter["description"], f"{name}: {parameter['name']}"
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)?", name) for name in names), names


def test_answers_and_refusals_have_their_schemas(app: FastAPI) -> None:
    """Answers are of named records, refusals always problems, with their codes."""
    told = app.openapi()
    for name, operation in operations(told):
        for status, answer in operation["responses"].items():
            if int(status) < 400:
                for content in answer.get("content", {}).values():
                    assert content["schema"], name
            elif (name, status) != ("GET /readyz", "503"):
                assert list(answer["content"]) == ["application/problem+json"], f"{name}: {status}"
                codes = re.findall(r"`(\w+)`", answer["description"])
                assert codes, f"{name}: {status}"
                assert {http_status(code) for code in codes} == {int(status)}, f"{name}: {status}"
                assert all(of_code(code, "") for code in codes), f"{name}: {codes}"
    assert "HTTPValidationError" not in told["components"]["schemas"]


def test_the_page_has_every_problem_by_its_status(app: FastAPI) -> None:
    """docs/serve.md's table has the codes of the description and the tree, each beside the tree's status."""
    page = FROZEN.with_name("serve.md").read_text(encoding="utf-8")
    table = page.partition("\n## Problems\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", table, re.MULTILINE)
    written = [(code, int(status)) for status, codes in rows for code in re.findall(r"`(\w+)`", codes)]
    codes = REQUEST_CODES.keys() | PHOTO_CODES.keys()
    answered = {
        code
        for _, operation in operations(app.openapi())
        for status, answer in operation["responses"].items()
        if int(status) >= 400
        for code in re.findall(r"`(\w+)`", answer["description"])
    }
    assert sorted(written) == sorted((code, http_status(code)) for code in answered | codes)


def test_changes_ask_for_the_admin_key(app: FastAPI) -> None:
    """The two keys are told apart; the search key may be left out where none is set."""
    for name, operation in operations(app.openapi()):
        method, path = name.split()
        changes = method in ("PUT", "DELETE", "PATCH") or path.startswith("/v1/versions")
        if changes or path == "/metrics":
            assert operation["security"] == [{"adminKey": []}], name
        elif path.startswith("/v1"):
            assert operation["security"] == [{"searchKey": []}, {}], name


def test_another_method_is_told_which_there_are(app: FastAPI) -> None:
    """All that the address knows, whichever route has it."""
    asked = TestClient(app, base_url="http://localhost").options("/v1/items/item_1")
    assert (asked.status_code, asked.json()["code"]) == (405, "method_not_allowed")
    assert asked.headers["allow"] == "DELETE, GET, PUT"
