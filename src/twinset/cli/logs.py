"""What a server logs on stderr: lines of JSON, or of text on a terminal; nothing that a query holds."""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

from twinset.cli.output import printable


class JsonLines(logging.Formatter):
    """One object a record: time, level, logger, message, and the record's `facts`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        return json.dumps(_head(record) | {"message": record.getMessage()} | _facts(record) | _fault(record))


class TextLines(logging.Formatter):
    """One line a record, for eyes."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and where a fault arose below it."""
        facts = " ".join(str(value) for value in _facts(record).values())
        told = f"{record.levelname.lower()}: {record.getMessage()} {facts}".rstrip()
        fault = _fault(record)
        return printable(told) + "".join(
            f"\n    {line}" for line in (fault.get("fault"), *fault.get("at", ())) if line
        )


def configure(*, quiet: bool) -> None:
    """Sends what is logged to stderr; with `quiet` warnings and errors alone."""
    handler = logging.StreamHandler()
    handler.setFormatter(TextLines() if sys.stderr.isatty() else JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("twinset").setLevel(logging.WARNING if quiet else logging.INFO)
    logging.captureWarnings(capture=True)


def _head(record: logging.LogRecord) -> dict[str, Any]:
    time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    return {"time": time, "level": record.levelname.lower(), "logger": record.name}


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    facts: dict[str, Any] = getattr(record, "facts", {})
    return facts


def _fault(record: logging.LogRecord) -> dict[str, Any]:
    """The kind of an exception and the lines that led to it; its words may be those of a query."""
    kind, _, trace = record.exc_info or (None, None, None)
    if kind is None:
        return {}
    at = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]
    return {"fault": kind.__name__, "at": at}
