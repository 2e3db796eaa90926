"""`info`, `verify`, `doctor`."""

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from twinset import doctor
from twinset.catalogue import Catalogue
from twinset.catalogue.repair import repair as mend
from twinset.cli import config
from twinset.cli.output import (
    CatalogueDir,
    Json,
    Quiet,
    SettingsFile,
    Talk,
    print_json,
    print_line,
    print_table,
    require_extra,
)
from twinset.cli.serve import NEEDED
from twinset.errors import CatalogueError, GateError, MissingExtraError, TwinsetError


def add_commands(app: typer.Typer) -> None:
    """Adds this module's commands."""
    app.command("info")(info_command)
    app.command("verify")(verify_command)
    app.command("doctor")(doctor_command)


def info_command(catalogue: CatalogueDir, json: Json = False, quiet: Quiet = False) -> None:  # noqa: ARG001
    """Counts, versions and sources of a catalogue."""
    with Catalogue(catalogue) as opened:
        facts = asdict(opened.info())
    if json:
        print_json(facts)
        return
    sources, versions, calibration = facts.pop("sources"), facts.pop("versions"), facts.pop("calibration")
    rows = [[name, f"{value:,}" if isinstance(value, int) else value] for name, value in facts.items()]
    rows += [["source", f"{source['name']}: {source['root']}"] for source in sources]
    rows += [["version", _version_line(version)] for version in versions]
    rows.append(["calibration", _calibration_line(calibration)])
    print_table(["", catalogue.name], rows)


def _calibration_line(facts: dict[str, Any] | None) -> str:
    if facts is None:
        return "none: hits have no probability, see `twinset calibrate`"
    told = f"of the {facts['of']}, fitted on {facts['items']:,} items, {facts['false_alarms']:.0%} false alarms"
    return told + (", simulated" if facts["simulated"] else "")


def _version_line(version: dict[str, Any]) -> str:
    told = f"{version['number']}: {version['bundle']}, {version['photos']:,} photos"
    told += f", {version['from_copies']:,} of them from copies" if version["from_copies"] else ""
    return told + (", live" if version["live"] else "")


def verify_command(
    catalogue: CatalogueDir,
    repair: Annotated[
        bool, typer.Option("--repair", help="First mend what can be mended, from rows, sources and copies.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Checks rows, copies, bundles and derived files against their checksums and each other."""
    talk = Talk(quiet or json)
    repaired = mend(catalogue, talk.progress()) if repair else []
    with Catalogue(catalogue) as opened:
        problems = opened.verify(progress=talk.progress())
    for done in repaired:
        talk.say(done)
    if json:
        found = [asdict(problem) for problem in problems]
        print_json({"ok": not problems, "repaired": repaired, "problems": found})
    for problem in problems if not json else ():
        print_line(f"{problem.file}: {problem.what}")
    if problems:
        sys.stderr.write(f"twinset: {catalogue} has {len(problems):,} problems\n")
        for file, help_ in dict.fromkeys((problem.file, problem.mend) for problem in problems):
            sys.stderr.write(f"twinset: {file}: {help_}\n")
        raise typer.Exit(CatalogueError.exit_code)
    talk.say(f"{catalogue} is whole")


def doctor_command(settings: SettingsFile = None, json: Json = False, quiet: Quiet = False) -> None:  # noqa: ARG001
    """What this machine and installation are, what `serve` would be set to, and what about them would hurt."""
    findings = [*doctor.examine(Path.cwd()), *_serving(settings)]
    bad = [finding for finding in findings if not finding.ok]
    if json:
        print_json({"ok": not bad, "findings": [asdict(finding) for finding in findings]})
    else:
        print_table(["", "", ""], [[f.name, f.value, "" if f.ok else f"! {f.mend}"] for f in findings])
    if bad:
        raise GateError(f"{bad[0].name}: {bad[0].value}", bad[0].mend)


def _serving(file: Path | None) -> list[doctor.Finding]:
    try:
        found = config.configure({}, os.environ, file)
    except TwinsetError as error:
        return [doctor.Finding("serve", error.message, ok=False, mend=error.mend)]
    told = doctor.serving(found.settings, found.catalogues, found.origins)
    unread = config.unread(os.environ)
    return [*_extra(found), *told, *([doctor.Finding("not read", ", ".join(unread))] if unread else [])]


def _extra(found: config.Config) -> list[doctor.Finding]:
    """Whether serving is installed, where something has been set for it."""
    if set(found.origins.values()) == {config.DEFAULT}:
        return []
    try:
        require_extra("serve", NEEDED, "serving needs")
    except MissingExtraError as error:
        return [doctor.Finding("serve", error.message, ok=False, mend=error.mend)]
    return []
