"""The charts of a report: the only user of matplotlib beside the curves of a training run."""

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from twinset.errors import MissingExtraError
from twinset.report.facts import Curve, Scores
from twinset.report.text import queries
from twinset.webpage import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CATEGORIES: Final = 24
"""So many bars are drawn, those of the most queries."""
_INK, _SOFT, _RULE, _PAPER = "#1c1c1e", "#69696e", "#d6d6d2", "#ffffff"
_RIGHT, _WRONG, _MAIN = "#117a45", "#c83c28", "#2f62c9"
_VARIABLES: Final = {
    _INK: "var(--ink)",
    _SOFT: "var(--soft)",
    _RULE: "var(--rule)",
    _PAPER: "none",
    _RIGHT: "var(--right)",
    _WRONG: "var(--wrong)",
    _MAIN: "var(--main)",
}
"""What stands for each colour of a chart inside a page, which may be light or dark."""
_WIDTH: Final = 4.3
_SETTINGS: Final[Mapping[str, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "twinset",
    "font.size": 9,
    "text.color": _INK,
    "axes.edgecolor": _RULE,
    "axes.labelcolor": _SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _SOFT,
    "ytick.color": _SOFT,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "grid.color": _RULE,
    "grid.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "figure.facecolor": _PAPER,
    "axes.facecolor": _PAPER,
    "text.parse_math": False,
}


def require() -> None:
    """Refuses to begin without matplotlib.

    Raises:
        MissingExtraError: it is not installed.

    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "a report needs matplotlib, which is not installed", 'pip install "twinset[report]"'
        ) from error


@contextmanager
def drawing() -> Iterator[None]:
    """Charts are drawn, and saved, as set here, whatever the user's own settings of matplotlib are."""
    from matplotlib import style

    with style.context(["default", dict(_SETTINGS)]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def recall(curve: Curve) -> "Figure":
    """Recall@k over k, with its interval as a band."""
    figure, axes = _axes(2.7)
    axes.fill_between(curve.depths, curve.low, curve.high, color=_MAIN, alpha=0.18, linewidth=0)
    axes.plot(curve.depths, curve.recall, color=_MAIN, linewidth=1.8)
    axes.set(xlim=(1, curve.depths[-1]), ylim=(0, 1.01), xlabel="k, the first so many answers", ylabel="recall@k")
    axes.set_xticks([1, 5, 10, 20, 30, 40, 50])
    return figure


def scores(found: Scores) -> "Figure":
    """The best right and the best wrong scores, one histogram over the other."""
    figure, axes = _axes(2.7)
    for name, shares, colour in (("right", found.right, _RIGHT), ("wrong", found.wrong, _WRONG)):
        axes.stairs(shares, found.edges, fill=True, color=colour, alpha=0.3)
        axes.stairs(shares, found.edges, color=colour, linewidth=1.4, label=f"best {name} answer")
    axes.set(xlabel="score", ylabel="share of queries")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, 1.16), ncols=2, borderpad=0, handlelength=1.4)
    return figure


def categories(by_category: Mapping[str, Mapping[str, float]]) -> "Figure":
    """A bar of recall@1 for each category, those below another set in under it."""
    names = drawn_categories(by_category)
    figure, axes = _axes(0.5 + 0.34 * len(names))
    for row, name in enumerate(names):
        figures, depth = by_category[name], name.count("/")
        value = figures["recall@1"]
        axes.barh(row, value, height=0.34, color=_MAIN, alpha=(0.95, 0.6, 0.4)[min(depth, 2)])
        label = shown(name.rpartition("/")[2] if depth else name, 40)
        at: dict[str, Any] = {"va": "bottom", "fontsize": 8}
        axes.text(0.03 * depth, row - 0.2, label, color=_INK, **at)
        axes.text(1, row - 0.2, f"{value:.2f} · {queries(int(figures['queries']))}", color=_SOFT, ha="right", **at)
    axes.set(xlim=(0, 1), ylim=(len(names) - 0.5, -0.8), xlabel="recall@1", yticks=[])
    axes.spines["left"].set_visible(False)
    return figure


def drawn_categories(by_category: Mapping[str, Mapping[str, float]]) -> Sequence[str]:
    """Which categories get a bar, level by level."""
    most = sorted(by_category, key=lambda name: (-by_category[name]["queries"], name))[:CATEGORIES]
    return sorted(most, key=lambda name: name.split("/"))


def svg(figure: "Figure") -> str:
    """A chart as an SVG file, equal for equal charts."""
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return out.getvalue()


def png(figure: "Figure") -> bytes:
    """A chart as a PNG file, equal for equal charts."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=200, metadata={"Software": None})
    return out.getvalue()


def inline(drawn: str, name: str) -> str:
    """An SVG file as a part of a page, whose colours it takes; ids begin with `name`, as a page has each once."""
    body = drawn[drawn.index("<svg") :]
    body = re.sub(r'<svg [^>]*viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true">', body, count=1)
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r' id="', f' id="{name}-', body)
    body = re.sub(r'href="#', f'href="#{name}-', body)
    body = re.sub(r"url\(#", f"url(#{name}-", body)
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, variable)
    return body.rstrip()


def _axes(height: float) -> tuple["Figure", "Axes"]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    return figure, figure.add_subplot()
