"""An audit as one HTML page: every picture inside it, no script, nothing fetched."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from twinset import photos as photo_files
from twinset import webpage
from twinset.audit.findings import KINDS, Audit, Finding, Kind, Limit, Pair
from twinset.errors import InputError
from twinset.progress import SILENT, Progress, counted
from twinset.webpage import escaped

_SHOWN: Final = 150
"""So many findings of a kind have their pictures on the page; `audit.csv` has all."""
_PAIRS: Final = 6
_SIDE: Final = 200
_LONGEST: Final = 600
"""Characters of a sentence that names items."""
_STYLE: Final = """
:root {
  --paper: #fbfbf9; --card: #fff; --ink: #1c1c1e; --soft: #63636a; --rule: #dcdcd6; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #16171a; --card: #1f2125; --ink: #ececef; --soft: #a2a3ab; --rule: #36383e; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; padding-top: 1rem; border-top: 1px solid var(--rule); }
p, li { max-width: 46rem; }
.soft, figcaption { color: var(--soft); font-size: .85rem; }
nav a { color: inherit; margin-right: 1rem; }
.findings { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 23rem), 1fr)); }
article { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: .75rem; }
article p { margin: .25rem 0; }
.pair { display: grid; grid-auto-flow: column; grid-auto-columns: minmax(0, 1fr);
  gap: .5rem; margin-bottom: .5rem; }
figure { margin: 0; }
figure div { aspect-ratio: 1; display: grid; grid-template: 100% / 100%; place-items: center;
  background: #fff; border-radius: 4px; color: #63636a; }
img { width: 100%; height: 100%; object-fit: contain; display: block; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; }
td, th { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--rule);
  white-space: nowrap; }
"""


def html(found: Audit, root: Path, title: str = "", progress: Progress = SILENT) -> str:
    """The page, with pictures of photos below `root`; one that cannot be read is told instead."""
    shown = {kind: [one for one in found.findings if one.kind == kind] for kind in KINDS}
    pairs = [pair for some in shown.values() for one in some[:_SHOWN] for pair in one.pairs[:_PAIRS]]
    paths = dict.fromkeys(path for pair in pairs for path, _ in _sides(pair))
    pictures = {path: _picture(root / path) for path in counted(paths, progress, "drawing", len(paths))}
    name = f"Audit of {title}" if title else "Audit"
    links = "".join(f'<a href="#{kind}">{escaped(_counted(kind, shown[kind]))}</a>' for kind in KINDS)
    parts = "".join(_part(kind, shown[kind], pictures) for kind in KINDS if shown[kind])
    notes = "".join(f"<li>{escaped(note, _LONGEST)}</li>" for note in found.notes)
    body = (
        f'<h1>{escaped(name)}</h1><p class="soft">{found.photos:,} photos of {found.items:,} items. '
        "A finding is a hint to look, no proof.</p>"
        f"<nav>{links}</nav>{f'<ul>{notes}</ul>' if notes else ''}{parts}{_limits(found.limits)}"
    )
    return webpage.document(escaped(name), _STYLE, body, "twinset data audit")


def _counted(kind: Kind, findings: Sequence[Finding]) -> str:
    return f"{len(findings):,} {kind.replace('_', ' ')}"


def _part(kind: Kind, findings: Sequence[Finding], pictures: dict[str, str]) -> str:
    more = len(findings) - _SHOWN
    told = f'<p class="soft">{more:,} more stand in audit.csv.</p>' if more > 0 else ""
    heading = f"{KINDS[kind][:1].upper()}{KINDS[kind][1:]}: {len(findings):,}"
    cards = "".join(_card(finding, pictures) for finding in findings[:_SHOWN])
    return f'<section id="{kind}"><h2>{escaped(heading)}</h2><div class="findings">{cards}</div>{told}</section>'


def _card(finding: Finding, pictures: dict[str, str]) -> str:
    pairs = "".join(_pair(pair, pictures) for pair in finding.pairs[:_PAIRS])
    more = len(finding.pairs) - _PAIRS
    rest = f'<p class="soft">and {more:,} more pairs</p>' if more > 0 else ""
    score = "" if finding.evidence != "embedding" else f", {finding.score:.2f} beyond the limit"
    return (
        f"<article>{pairs}{rest}<p>{escaped(finding.why, _LONGEST)}</p><p>{escaped(finding.mend, _LONGEST)}</p>"
        f'<p class="soft">by {escaped(finding.evidence)}{score}</p></article>'
    )


def _pair(pair: Pair, pictures: dict[str, str]) -> str:
    return f'<div class="pair">{"".join(_figure(path, item, pictures[path]) for path, item in _sides(pair))}</div>'


def _sides(pair: Pair) -> list[tuple[str, str]]:
    """The photos of a pair with their items: the photo, its item's nearest, and the one that speaks against it."""
    own = [(pair.own_path, pair.item_id)] if pair.own_path else []
    return [(pair.path, pair.item_id), *own, (pair.other_path, pair.other_item_id)]


def _figure(path: str, item: str, picture: str) -> str:
    image = f'<img src="{picture}" alt="" loading="lazy">' if picture else "not readable"
    return f"<figure><div>{image}</div><figcaption><b>{escaped(item)}</b><br>{escaped(path)}</figcaption></figure>"


def _picture(path: Path) -> str:
    """A small JPEG as a data URI, empty where the photo cannot be read."""
    try:
        return webpage.picture(photo_files.read(path), _SIDE)
    except InputError:
        return ""


def _limits(limits: Sequence[Limit]) -> str:
    """How much was seen by embedding, and how sure it is."""
    if not limits:
        return ""
    rows = "".join(
        f"<tr><td>{limit.kind.replace('_', ' ')}</td><td>{escaped(limit.compared)}</td>"
        f"<td>{limit.looked_at:,}</td><td>{_sight(limit)}</td></tr>"
        for limit in limits
    )
    return (
        "<h2>How well it sees here</h2><p>Faults were planted on paper among these photos: the share of them that "
        "would be told, and the share of faultless ones that are expected among the findings.</p>"
        '<div class="scroll"><table><tr><th>kind</th><th>compared</th><th>looked at</th><th>sight</th></tr>'
        f"{rows}</table></div>"
    )


def _sight(limit: Limit) -> str:
    if limit.limit is None:
        return "too few to judge by embedding"
    return f"{limit.power:.0%} of planted faults, {limit.false_alarms:.1%} false alarms expected"
