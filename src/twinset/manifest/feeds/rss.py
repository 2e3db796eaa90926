"""A feed as XML, RSS or Atom → rows of named cells; no document type, so no entity that could grow."""

import codecs
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.parsers import expat

from twinset.errors import ManifestError
from twinset.manifest.feeds.table import Row, read_bytes, understood_as

_ENTRIES: Final = ("item", "entry")
_GOOGLE: Final = "base.google.com/ns/1.0"
_PLAIN: Final = ("http://www.w3.org/2005/Atom", "http://purl.org/rss/1.0/")
_DEEPEST: Final = 50


def is_xml(data: bytes) -> bool:
    """Whether a feed's first character is that of XML, in UTF-8 or UTF-16."""
    return data[:64].lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n").startswith(b"<")


def read_entries(file: Path) -> tuple[Row, ...]:
    """The entries of a feed, each with the line on which it begins.

    Cells are named without the prefix of Google's name space. Parts of an element are named by the way to them,
    `shipping.price`; an element that stands several times is one cell, with `|` between its values.

    Raises:
        PathError: it cannot be read.
        ManifestError: it is no XML, has a document type, or has no entry.

    """
    data = read_bytes(file).removeprefix(codecs.BOM_UTF8)
    bare = data.lstrip(b" \t\r\n")  # a blank line before the declaration is the commonest fault of feeds
    above = data[: len(data) - len(bare)].count(b"\n")
    collected = _Entries(file)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = collected.refuse_doctype
    parser.StartElementHandler = lambda name, given: collected.start(name, given, above + parser.CurrentLineNumber)
    parser.EndElementHandler = lambda _: collected.end()
    parser.CharacterDataHandler = collected.text
    try:
        parser.Parse(bare, True)
    except expat.ExpatError as error:
        raise ManifestError(
            f"{file}, line {above + error.lineno}, column {error.offset + 1}: {expat.ErrorString(error.code)}",
            "mend the XML, or export it again",
        ) from error
    if not collected.rows:
        raise ManifestError(f"{file} has neither item nor entry", "name an RSS or Atom feed, or a TSV")
    return tuple(collected.rows)


@dataclass(slots=True)
class _Element:
    """An element that is open: its name, where it is Google's own, and what it says so far."""

    name: str
    google: bool
    said: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Entries:
    """What the parser's calls add up to."""

    file: Path
    rows: list[Row] = field(default_factory=list)
    _spaces: dict[str, str] = field(default_factory=dict)
    _open: list[_Element] = field(default_factory=list)
    _line: int = 0
    _google: dict[str, dict[str, None]] = field(default_factory=dict)
    _plain: dict[str, dict[str, None]] = field(default_factory=dict)

    def refuse_doctype(self, name: str, *_: object) -> None:
        """A document type may define entities that grow without end, or open files."""
        raise ManifestError(
            f"{self.file} has a document type (<!DOCTYPE {name}>)", "take it out: a feed needs none"
        )

    def start(self, name: str, given: Mapping[str, str], line: int) -> None:
        """An element opens; outside of entries only the spaces of names are kept."""
        self._spaces |= {key.removeprefix("xmlns:"): uri for key, uri in given.items() if key.startswith("xmlns:")}
        local, google = self._name(name)
        if self._open:
            above = self._open[-1]
            element = _Element(f"{above.name}.{local}" if above.name else local, google or above.google)
        elif local in _ENTRIES and not google:
            element = _Element("", google)
            self._line, self._google, self._plain = line, {}, {}
        else:
            return
        self._open.append(element)
        if len(self._open) > _DEEPEST:
            message = f"{self.file}, line {line}: elements lie more than {_DEEPEST} deep"
            raise ManifestError(message, "export it again")
        for key, value in given.items():
            if not key.startswith("xmlns"):
                self._attribute(element, key, value, given)

    def end(self) -> None:
        """An element closes: what it said becomes a cell; an entry becomes a row."""
        if not self._open:
            return
        element = self._open.pop()
        self._tell(element, element.name or "text", "".join(element.said))
        if not self._open:
            beside = {name: said for name, said in self._plain.items() if said != self._google.get(name)}
            renamed = {f"rss:{name}" if name in self._google else name: said for name, said in beside.items()}
            cells = {name: "|".join(said) for name, said in (self._google | renamed).items()}
            self.rows.append(Row(self._line, cells, understood_as(tuple(cells), {})))

    def text(self, text: str) -> None:
        """Characters, of a CDATA section too."""
        if self._open:
            self._open[-1].said.append(text)

    def _name(self, name: str) -> tuple[str, bool]:
        """The name without a prefix that says nothing more, and whether it is Google's."""
        prefix, _, local = name.rpartition(":")
        space = self._spaces.get(prefix, "")
        google = _GOOGLE in space or (prefix == "g" and not space)
        return (local if google or space in _PLAIN else name), google

    def _attribute(self, element: _Element, key: str, value: str, given: Mapping[str, str]) -> None:
        """Atom's links stand in `href`; every other attribute is a cell of its own."""
        if element.name == "link" and key == "href" and given.get("rel", "alternate") == "alternate":
            self._tell(element, "link", value)
        else:
            self._tell(element, f"{element.name}@{key}", value)

    def _tell(self, element: _Element, name: str, text: str) -> None:
        cells, said = (self._google if element.google else self._plain), text.strip()
        if said:
            cells.setdefault(name, {})[said] = None
