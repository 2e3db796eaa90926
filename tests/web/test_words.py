"""The words of the page: the same in every language, none missing, none left over."""

import re
from importlib import resources
from typing import Any

import pytest

from twinset.errors import of_code
from web.conftest import Visit

WEB = resources.files("twinset") / "web"
LANGUAGES = ("en", "de", "ja")
OWN = {"offline", "unreachable", "other"}
"""Errors that the page finds itself."""
BY_NAME = {"nw", "ne", "se", "sw"}
"""Words that are asked for by a name that is put together: the corners of the box."""
READ = """async (language) => {
    const { default: words } = await import(`/web/words/${language}.js`);
    const told = (some) => Object.fromEntries(Object.entries(some).map(([name, one]) =>
        [name, typeof one === "function" ? ["function", one(1), one(2), one("x")]
             : typeof one === "object" ? told(one) : [typeof one, one]]));
    return told(words);
}"""


@pytest.fixture
def words(visit: Visit) -> dict[str, dict[str, Any]]:
    """Each word as its kind and what it says, by language and name, as a browser reads them."""
    return {language: visit.page.evaluate(READ, language) for language in LANGUAGES}


def used() -> set[str]:
    """The names that the modules and pages ask for."""
    texts = [one.read_text(encoding="utf-8") for one in WEB.iterdir() if one.name.endswith((".js", ".html"))]
    found = re.findall(r'\bwords\.(errors\.\w+|\w+)|data-word="(\w+)"', "\n".join(texts))
    return {one or other for one, other in found} - {"js"} | BY_NAME


def test_every_language_says_the_same(words: dict[str, dict[str, Any]]) -> None:
    """The same names of the same kinds, none empty; what is counted or named stands in what is said of it."""
    english = words["en"]
    for language, told in words.items():
        assert told.keys() == english.keys(), language
        assert told["errors"].keys() == english["errors"].keys(), language
        for name, (kind, *says) in [*told.items(), *told["errors"].items()]:
            if name == "errors":
                continue
            assert kind == (english.get(name) or english["errors"][name])[0], (language, name)
            assert all(isinstance(one, str) and one.strip() for one in says), (language, name)
            if kind == "function":
                assert "2" in says[1], (language, name)
                assert "x" in says[2], (language, name)
    for language in ("de", "ja"):
        same = {name for name, one in words[language].items() if one == english[name]}
        assert same <= {"retry"} | {"item", "part", "filters", "most", "least", "price"}, (language, same)


def test_every_word_is_there_and_used(words: dict[str, dict[str, Any]]) -> None:
    """What a module asks for has words; each error with words is one that a server or the page tells."""
    names = {name for name in used() if not name.startswith("errors")}
    assert names == words["en"].keys() - {"errors"}
    assert {name.removeprefix("errors.") for name in used() if name.startswith("errors.")} <= words["en"][
        "errors"
    ].keys()
    for code in words["en"]["errors"].keys() - OWN:
        assert of_code(code, "") is not None or f"errors.{code}" in used(), code
