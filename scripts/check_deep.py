"""Runs the checks that take long and writes docs/check-deep.json: date, commit, every check and figure."""

import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parent.parent
BENCHMARKS = (
    ("index_speed.py",),
    ("search_speed.py", "1000"),
    ("search_speed.py", "100000"),
    ("search_speed.py", "1000000"),
    ("catalogue.py", "1000", "100000"),
)
OF_PHOTOS = (("page.py", "luma/photos.csv"),)
"""Benchmarks of real photos, where those are."""


def tests() -> tuple[int, list[dict[str, object]]]:
    """The exit code of pytest's deep tests, and each test with its outcome, seconds and recorded figures."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-m", "deep", "-o", "junit_family=xunit1"]
        command += ["--numprocesses", "auto", "--dist", "loadscope"]
        command += [f"--junitxml={report}", f"--basetemp={folder}/tests"]
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        cases = ElementTree.parse(report).getroot().iter("testcase")
        return code, [_case(case) for case in cases]


def _case(case: ElementTree.Element) -> dict[str, object]:
    bad = next((tag for tag in ("failure", "error", "skipped") if case.find(tag) is not None), "passed")
    figures = {p.get("name"): p.get("value") for p in case.iter("property")}
    return {"test": case.get("name"), "outcome": bad, "seconds": float(case.get("time", "0")), **figures}


def benchmark(arguments: tuple[str, ...], folder: Path = ROOT) -> dict[str, object]:
    """What a benchmark printed; `folder` is where its files are."""
    command = [sys.executable, str(ROOT / "benchmarks" / arguments[0]), *arguments[1:]]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return {"benchmark": " ".join(arguments), "figures": done.stdout.strip().splitlines()}


def main() -> int:
    """Writes the file after each part, so that what was measured is kept; returns pytest's exit code."""
    facts: dict[str, object] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=ROOT, text=True).strip(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    code, facts["tests"] = tests()
    measured: list[dict[str, object]] = []
    facts["benchmarks"] = measured
    for arguments in BENCHMARKS:
        _write(facts)
        measured.append(benchmark(arguments))
    if data := os.environ.get("TWINSET_TEST_DATA"):
        measured += [benchmark(arguments, Path(data) / "data") for arguments in OF_PHOTOS]
    _write(facts)
    return code


def _write(facts: dict[str, object]) -> None:
    text = json.dumps(facts, indent=1, ensure_ascii=False) + "\n"
    (ROOT / "docs/check-deep.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
