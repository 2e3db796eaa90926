"""The command line: parse, one call into the library, show."""

import sys


def run() -> None:
    """The entry point; Ctrl-C ends it quietly from the first moment, while libraries are still loaded."""
    try:
        from twinset.cli.main import main

        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
