"""What a long step reports to."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Counts work done; whoever shows it derives the rate and the time left."""

    def start(self, what: str, total: int) -> None:
        """Begins a step of `total` units."""

    def advance(self, count: int = 1) -> None:
        """Adds `count` finished units."""

    def finish(self) -> None:
        """Ends the step, also when it was cut short."""


class Silent:
    """A `Progress` that shows nothing."""

    def start(self, what: str, total: int) -> None:
        """Begins a step of `total` units."""

    def advance(self, count: int = 1) -> None:
        """Adds `count` finished units."""

    def finish(self) -> None:
        """Ends the step."""


SILENT: Progress = Silent()


def counted(
    parts: Iterable[T], progress: Progress, what: str, total: int, units: Callable[[T], int] = lambda _: 1
) -> Iterator[T]:
    """Hands on `parts`, as one step of `total` units; each part counts when the next one is asked for."""
    progress.start(what, total)
    try:
        for part in parts:
            yield part
            progress.advance(units(part))
    finally:
        progress.finish()
