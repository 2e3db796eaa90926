"""httpx2, where it is installed."""

from typing import TYPE_CHECKING, Final

from twinset.errors import MissingExtraError

if TYPE_CHECKING:
    from twinset.client.lines import Line

TIMEOUT: Final = 30.0


def line(url: str, key: str, catalogue: str | None, timeout: float) -> "Line":
    """A server's address, and what every request to it carries.

    Raises:
        MissingExtraError: httpx2 is not installed.
        UsageError: the address, the key or the timeout cannot be one.

    """
    try:
        from twinset.client.lines import Line
    except ImportError as error:
        raise MissingExtraError(
            "a client needs httpx2, which is not installed", 'pip install "twinset[client]"'
        ) from error
    return Line(url, key, catalogue, timeout)
