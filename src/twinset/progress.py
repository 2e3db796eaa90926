"""What a long step reports to."""

from typing import Protocol


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
