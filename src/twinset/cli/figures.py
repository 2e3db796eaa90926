"""The figures of an evaluation, printed."""

from collections.abc import Mapping, Sequence

from twinset.cli.output import print_line, print_table
from twinset.datasets.deepfashion.literature import Beside
from twinset.records import Duplicates, Evaluation


def show(result: Evaluation, papers: Sequence[Beside]) -> None:
    """The figures with their intervals, by category, domain and view, and published ones."""
    print_line(
        f"protocol {result.protocol} · split {result.split} · level {result.level} · relevant {result.relevant}"
    )
    print_line(f"queries  {result.query_filter or 'all'}")
    print_line(f"gallery  {result.gallery_filter or 'all'}")
    print_line(
        f"{result.queries:,} queries ({result.queries_without_positive:,} more have no right answer) in "
        f"{result.gallery:,} photos of {result.items:,} items" + (", boxes ignored" if result.boxes_ignored else "")
    )
    rows = [
        [name, f"{value:.3f}", f"{result.ci95[name][0]:.3f} – {result.ci95[name][1]:.3f}"]
        for name, value in result.figures().items()
    ]
    header = ["", "value", "95 % interval"]
    twins = result.duplicates
    if twins and twins.pairs:
        header.append("twins right too")
        alike = [f"{value:.3f}" for value in twins.recall.values()] + [""] * len(rows)
        rows = [[*row, more] for row, more in zip(rows, alike, strict=False)]
    print_table(header, rows, right=["value", "twins right too"])
    print_line(_told(twins))
    for what, by in (("category", result.by_category), ("domain", result.by_domain), ("view", result.by_view)):
        if by and (what == "category" or len(by) > 1):
            print_line("")
            _show_parts(what, by)
    for paper in papers:
        figures = ", ".join(f"{name} {value:g}" for name, value in paper.recall.items())
        print_line(f"published: {paper.source}: {figures}; compares: {paper.compares}, {paper.because}")


def _told(twins: Duplicates | None) -> str:
    if twins is None:
        return "near-identical photos under other ids: not looked for"
    if not twins.pairs:
        return "no near-identical photos under other ids"
    return (
        f"{twins.pairs:,} pairs of near-identical photos under other ids: {twins.photos:,} photos, "
        f"{twins.items:,} items; right answers of {twins.queries:,} queries are among them"
    )


def _show_parts(what: str, by: Mapping[str, Mapping[str, float]]) -> None:
    shown = ["recall@1", "recall@20", "map"]
    rows = [[name, f"{row['queries']:,}", *(f"{row[figure]:.3f}" for figure in shown)] for name, row in by.items()]
    print_table([what, "queries", *shown], rows, right=["queries", *shown])
