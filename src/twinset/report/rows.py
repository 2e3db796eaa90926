"""The rows of pictures in a report's page."""

from collections.abc import Mapping, Sequence
from typing import Literal

from twinset.records import Photo
from twinset.report.facts import SEEN, Confused, Missed, Place, Unfound
from twinset.report.text import queries
from twinset.webpage import escaped

Pictures = Mapping[str, str]
"""Data URIs by photo id; empty where no photo can be read."""
Frame = Literal["", "query", "right", "wrong"]


def worst(missed: Sequence[Missed], pictures: Pictures) -> str:
    """A row for each query: it, the first of its list, and its right answer."""
    if not missed:
        return _section("Worst queries", "<p>Every query finds its right answer first.</p>")
    intro = (
        "<p>The queries whose right answer stands furthest behind, the worst of each item: the query, the first of "
        "its list, and where the right one stands.</p>"
    )
    lines = []
    for one in missed:
        query = _tile(one.query, "query", ["query", *_names(one.query)], "query", pictures)
        listed = [_hit(place, "right" if place.right else "wrong", pictures) for place in one.first]
        right = _hit(one.right, "right", pictures)
        tiles = f'{query}<div class="list">{"".join(listed)}</div><div class="answer">{right}</div>'
        lines.append(f'<li class="row">{tiles}</li>')
    return _section("Worst queries", intro + '\n<ol class="rows">\n' + "\n".join(lines) + "\n</ol>")


def confused(pairs: Sequence[Confused], pictures: Pictures) -> str:
    """Pairs of items of which one stood first for the other's queries."""
    if not pairs:
        return _section("Most confused items", "<p>No item stands first for another one's query.</p>")
    lines = []
    for pair in pairs:
        tiles = [
            _tile(photo, "", _names(photo), "an item that is taken for another", pictures)
            for photo in (pair.one, pair.other)
        ]
        counts = f"{pair.other_for_one:,} ×" + (
            f", and {pair.one_for_other:,} × the other way round" if pair.one_for_other else ""
        )
        lines.append(f'<li class="pair">{"".join(tiles)}<p>{counts}</p></li>')
    intro = "<p>How often a query of the left item has the right one in first place.</p>"
    return _section("Most confused items", intro + '\n<ol class="pairs">\n' + "\n".join(lines) + "\n</ol>")


def unfound(items: Sequence[Unfound], every: int, asked: int, pictures: Pictures) -> str:
    """Items that none of their queries finds."""
    title = "Items that nobody finds"
    if not items:
        return _section(title, f"<p>Each of {asked:,} items is found by some query in its first {SEEN}.</p>")
    lines = [
        _tile(
            one.photo,
            "",
            [*_names(one.photo), f"{queries(one.queries)}, best rank {one.rank:,}"],
            "an item that nobody finds",
            pictures,
        )
        for one in items
    ]
    more = f"; the {len(items)} with the most queries are shown" if every > len(items) else ""
    intro = f"<p>{every:,} of {asked:,} items stand in the first {SEEN} of none of their queries{more}.</p>"
    return _section(title, f'{intro}\n<div class="tiles">\n' + "\n".join(lines) + "\n</div>")


def _section(title: str, body: str) -> str:
    return f"<section>\n<h2>{title}</h2>\n{body}\n</section>"


def _hit(place: Place, frame: Frame, pictures: Pictures) -> str:
    told = f"{'✓' if place.right else '✗'} {place.rank:,} · {place.score:.3f}"
    return _tile(place.photo, frame, [told, *_names(place.photo)], f"{frame} answer", pictures)


def _names(photo: Photo) -> list[str]:
    """What an item is called: by its title, where it has one, and its id."""
    return [name for name in (photo.value("title"), photo.item_id) if name]


def _tile(photo: Photo, frame: Frame, lines: Sequence[str], what: str, pictures: Pictures) -> str:
    """A photo with lines below it; a grey field where it cannot be read, none where no photo can be."""
    alt = escaped(f"{what}: {photo.item_id}")
    seen = ""
    if photo.photo_id in pictures:
        seen = f'<div><img src="{pictures[photo.photo_id]}" alt="{alt}"></div>'
    elif pictures:
        seen = '<div><span class="none">not readable</span></div>'
    head, *rest = (f"<bdi>{escaped(line)}</bdi>" for line in lines)
    told = f"<b>{head}</b>" + "".join(f"<span>{line}</span>" for line in rest)
    place = escaped(f"{photo.item_id} · {photo.path}", 300)
    return f'<figure class="tile {frame}" title="{place}">{seen}<figcaption>{told}</figcaption></figure>'
