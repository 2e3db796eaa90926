"""`--fail-under`: figures that must be reached."""

from collections.abc import Mapping, Sequence

from twinset import where
from twinset.errors import GateError, UsageError

Gate = tuple[str, float]
"""The name of a figure, and the least it may be, 0 to 1."""


def parse(texts: Sequence[str], known: Sequence[str]) -> list[Gate]:
    """Gates as `NAME=VALUE`.

    Raises:
        UsageError: one is of another shape, or no figure has its name.

    """
    return [_gate(text, known) for text in texts]


def _gate(text: str, known: Sequence[str]) -> Gate:
    name, _, value = text.partition("=")
    limit = where.number(value)
    if name not in known or not 0 <= limit <= 1:
        raise UsageError(f"--fail-under {text!r} is no gate", f"write NAME=VALUE, NAME one of {', '.join(known)}")
    return name, limit


def missed(figures: Mapping[str, float], gates: Sequence[Gate]) -> GateError | None:
    """The first gate that is not reached, as an error to raise."""
    for name, limit in gates:
        if figures[name] < limit:
            return GateError(f"{name} is {figures[name]:.3f}, under {limit:g}", "look at the queries that fail")
    return None
