"""`report.html`: one page that asks nobody for anything. Whatever comes from data goes through `escaped`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import PurePath
from typing import Final

from twinset import webpage
from twinset.datasets.deepfashion.literature import Beside
from twinset.metrics import DEPTHS
from twinset.records import Evaluation
from twinset.report import charts, rows
from twinset.report.facts import SEEN, Facts
from twinset.report.text import percent
from twinset.webpage import escaped

GENERATOR: Final = "twinset report"
_WIDE: Final = 0.1
"""From this width on an interval is called wide."""
_HEADINGS: Final = {"recall": "Found among the first k", "categories": "By category", "scores": "Scores"}


@dataclass(frozen=True, slots=True)
class Run:
    """How the figures came about.

    `origin` says what embedded, `fingerprint` which (empty where it is not known); `made` is the date. `skipped`
    rows of the manifest could not be used. `notes` are sentences that belong beside the figures.
    """

    manifest: str
    origin: str
    fingerprint: str
    made: str
    version: str
    skipped: int = 0
    held: str = ""
    seed: int = 0
    notes: tuple[str, ...] = ()
    published: tuple[Beside, ...] = ()


def render(
    result: Evaluation, facts: Facts, run: Run, drawn: Mapping[str, str], pictures: Mapping[str, str]
) -> str:
    """The page; `drawn` are charts as SVG, by name, and `pictures` data URIs by photo id."""
    style = resources.files("twinset.report").joinpath("style.css").read_text(encoding="utf-8")
    title = f"{percent(result.recall[1])} recall@1 · {escaped(PurePath(run.manifest).name)}"
    sections = [
        f'<div class="top">\n<div>\n{_head(result, run)}\n{_warnings(result, run, pictured=bool(pictures))}</div>',
        f"{_figures(result)}\n</div>",
        _charts(result, facts, drawn),
        rows.worst(facts.worst, pictures),
        rows.confused(facts.confused, pictures),
        rows.unfound(facts.unfound, facts.all_unfound, facts.asked, pictures),
        _facts(result, run),
    ]
    body = "\n".join(["<main>", *filter(None, sections), "</main>"])
    return webpage.document(title, style, body, GENERATOR)


def _head(result: Evaluation, run: Run) -> str:
    low, high = result.ci95["recall@1"]
    hits = round(result.recall[1] * result.queries)
    within = percent(result.recall[SEEN])
    right = "the right item" if result.level == "item" else "a right photo"
    return (
        f'<header>\n<p class="over">{escaped(run.origin)} · {escaped(PurePath(run.manifest).name)}</p>\n'
        f'<h1><span class="number">{percent(result.recall[1])}</span> recall@1</h1>\n'
        f'<p class="interval">95 % interval {percent(low)} to {percent(high)}</p>\n'
        f'<p class="plain">Of {result.queries:,} queries, {hits:,} find {right} in first place, and {within} find '
        f"it among the first {SEEN}, searching {result.gallery:,} photos of {result.items:,} items. With other "
        f"items of the same kind, expect a recall@1 between {percent(low)} and {percent(high)}.</p>\n</header>"
    )


def _warnings(result: Evaluation, run: Run, *, pictured: bool) -> str:
    low, high = result.ci95["recall@1"]
    told = list(run.notes)
    if high - low > _WIDE:
        told.append(
            f"{result.queries:,} queries are few: the interval is {100 * (high - low):.0f} points wide. Do not "
            "read smaller differences between two such figures as progress; “twinset compare” tells which are."
        )
    if result.queries_without_positive:
        told.append(
            f"{result.queries_without_positive:,} more queries have no right answer in the gallery, and are "
            "in no figure."
        )
    if run.published:
        told.append("Published figures stand at the end, each with whether it compares.")
    if not pictured:
        told.append("No photo could be read here: the rows below show names only.")
    lines = "\n".join(f"<li>{escaped(line[:1].upper() + line[1:], 600)}</li>" for line in told)
    return f'<ul class="notes">\n{lines}\n</ul>' if told else ""


def _figures(result: Evaluation) -> str:
    twins = result.duplicates
    alike = twins.recall if twins and twins.pairs else {}
    extra = '<th scope="col">twins right too</th>' if alike else ""
    lines = []
    by_name = {f"recall@{k}": k for k in DEPTHS}
    for name, value in result.figures().items():
        low, high = result.ci95[name]
        cells = f"<td>{value:.3f}</td><td>{low:.3f} – {high:.3f}</td>"
        if alike:
            cells += f"<td>{alike[by_name[name]]:.3f}</td>" if name in by_name else "<td></td>"
        lines.append(f'<tr><th scope="row">{name}</th>{cells}</tr>')
    columns = f'<th scope="col">figure</th><th scope="col">value</th><th scope="col">95 % interval</th>{extra}'
    return (
        f'<section>\n<h2>Figures</h2>\n<table class="figures">\n<thead><tr>{columns}</tr>'
        "</thead>\n<tbody>\n" + "\n".join(lines) + f"\n</tbody>\n</table>\n<p>{_twins(result)}</p>\n</section>"
    )


def _twins(result: Evaluation) -> str:
    twins = result.duplicates
    if twins is None:
        return "Near-identical photos under other ids were not looked for."
    if not twins.pairs:
        return "No near-identical photos stand under different ids."
    return (
        f"{twins.pairs:,} pairs of near-identical photos stand under different ids ({twins.photos:,} photos, "
        f"{twins.items:,} items); right answers of {twins.queries:,} queries are among them. Where such a twin "
        f"counts as right too, recall@1 is {twins.recall[1]:.3f}."
    )


def _charts(result: Evaluation, facts: Facts, drawn: Mapping[str, str]) -> str:
    curve = facts.curve
    told = {
        "recall": f"Recall@k rises from {curve.recall[0]:.3f} at k = 1 to {curve.recall[-1]:.3f} at "
        f"k = {curve.depths[-1]}. The band is the 95 % interval.",
        "categories": _categories_told(result),
        "scores": "The score of each query's best right answer, and of its best wrong one. The two share "
        f"{percent(facts.scores.shared)} of their area: the less, the better a score alone tells right from wrong.",
    }
    parts = [
        f'<figure class="chart {name}">\n<h3>{_HEADINGS[name]}</h3>\n{charts.inline(svg, name)}\n'
        f"<figcaption>{told[name]}</figcaption>\n</figure>"
        for name, svg in drawn.items()
    ]
    return '<section>\n<h2>Charts</h2>\n<div class="charts">\n' + "\n".join(parts) + "\n</div>\n</section>"


def _categories_told(result: Evaluation) -> str:
    names, every = charts.drawn_categories(result.by_category), len(result.by_category)
    which = (
        f"The {len(names)} of {every:,} categories with the most queries" if every > len(names) else "Categories"
    )
    return f"{which}, each with its recall@1 and how many queries it has; levels below stand under those above."


def _facts(result: Evaluation, run: Run) -> str:
    pairs = {
        "manifest": run.manifest,
        "vectors of": run.origin,
        "fingerprint": run.fingerprint or "not told",
        "protocol": f"{result.protocol}, split {result.split}, level {result.level}, relevant {result.relevant}",
        "queries": f"{result.queries:,} scored, {result.queries_without_positive:,} without a right answer; "
        f"{result.query_filter or 'all photos'}",
        "gallery": f"{result.gallery:,} photos of {result.items:,} items; {result.gallery_filter or 'all photos'}",
        "held out": run.held or "no",
        "boxes": "ignored" if result.boxes_ignored else "used where there are some",
        "skipped rows": f"{run.skipped:,}",
        "intervals": f"bootstrap over items, 1,000 draws, seed {run.seed}",
        "made": f"{run.made} by twinset {run.version}",
    }
    lines = [
        f'<tr><th scope="row">{escaped(name)}</th><td>{escaped(value, 400)}</td></tr>'
        for name, value in pairs.items()
    ]
    table = '<table class="facts">\n<tbody>\n' + "\n".join(lines) + "\n</tbody>\n</table>"
    files = "<p>Beside this page: metrics.json, hits.parquet, and the charts as SVG and PNG.</p>"
    return f"<section>\n<h2>How this was measured</h2>\n{table}\n{_published(run.published)}{files}\n</section>"


def _published(papers: Sequence[Beside]) -> str:
    if not papers:
        return ""
    lines = [
        f'<tr><th scope="row">{escaped(paper.source)}</th>'
        f"<td>{escaped(', '.join(f'{name} {value:g}' for name, value in paper.recall.items()))}</td>"
        f"<td>{escaped(paper.compares)}: {escaped(paper.because, 400)}</td></tr>"
        for paper in papers
    ]
    columns = "".join(f'<th scope="col">{name}</th>' for name in ("source", "figures", "compares"))
    return (
        f'<h3>Published figures</h3>\n<table class="facts">\n<thead><tr>{columns}</tr></thead>\n<tbody>\n'
        + "\n".join(lines)
        + "\n</tbody></table>\n"
    )
