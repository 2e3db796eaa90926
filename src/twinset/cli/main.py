"""The program `twinset`: its commands, and how errors end it."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from typer.exceptions import TyperException

from twinset import __version__
from twinset.cli import admin, calibrate, compare, data, demo, export, keep, measure, search, serve, train, upgrade
from twinset.cli.output import print_json, print_line, printable
from twinset.errors import GateError, ResourceError, TwinsetError, UsageError, did_you_mean, disk_errors

INTERRUPTED: Final = 130
_NO_CHOICE: Final = re.compile(r"'([^']*)' is not one of (.*)")
"""What the parser says of a value that is none of an option's."""

app = typer.Typer(
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        print_line(f"twinset {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Finds the product in the photo."""


for _module in (demo, search, measure, calibrate, compare, train, export, keep, upgrade, serve, admin):
    _module.add_commands(app)
app.add_typer(data.app, name="data")


def main(arguments: Sequence[str]) -> int:
    """Runs one command; returns its exit code. Every error is one line on stderr, and JSON too where asked."""
    if list(arguments) in ([], ["data"], ["data", "convert"]):
        arguments = [*arguments, "--help"]
    try:
        with disk_errors(Path.cwd()):
            returned = app(args=list(arguments), prog_name="twinset", standalone_mode=False)
            sys.stdout.flush()
    except TwinsetError as error:
        return _failed(error, arguments)
    except TyperException as error:
        return _failed(_usage(error), arguments)
    except MemoryError:
        return _failed(ResourceError("memory ran out", "free some, or use smaller photos"), arguments)
    except SystemExit:  # the parser's, where the reader of our output has gone
        return 0
    except KeyboardInterrupt:
        returned = INTERRUPTED
    if returned == INTERRUPTED:
        sys.stderr.write("twinset: interrupted; what is committed stays\n")
    return returned if isinstance(returned, int) else 0


def _usage(error: TyperException) -> UsageError:
    """The parser's words, its suggestion as the mend."""
    told = error.format_message().replace("Value error, ", "", 1)
    message, _, suggestion = told.partition(" Did you mean ")
    if not suggestion:
        message, _, suggestion = message.partition(" (Possible options: ")
    mend = f"did you mean {suggestion.rstrip(')?')}?" if suggestion else "see twinset --help"
    if choice := _NO_CHOICE.search(message):
        mend = did_you_mean(choice[1], re.findall("'([^']+)'", choice[2]), mend)
    return UsageError(message.rstrip("."), mend)


def _failed(error: TwinsetError, arguments: Sequence[str]) -> int:
    """A gate's figures are on stdout already: its error is only told."""
    if "--json" in arguments and not isinstance(error, GateError):
        print_json(error.to_json())
    sys.stderr.write(f"twinset: {printable(str(error))}\n")
    return error.exit_code
