"""What the demo does to the outside world, traced; and served, as a newcomer does it."""

import os
import re
import shutil
import signal
import subprocess
import sys
from itertools import takewhile
from pathlib import Path
from urllib.request import urlopen

import pytest


@pytest.mark.deep
def test_the_demo_makes_no_connection(tmp_path: Path) -> None:
    """Traced with all its children, the demo connects to no address."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    trace = tmp_path / "trace"
    command = [
        strace,
        "-f",
        "-e",
        "trace=connect,sendto,sendmsg",
        "-o",
        str(trace),
        sys.executable,
        "-m",
        "twinset",
    ]
    subprocess.run([*command, "demo", "--out", str(tmp_path / "demo"), "-q"], check=True, capture_output=True)
    lines = trace.read_text(encoding="utf-8", errors="replace").splitlines()
    assert [line for line in lines if re.search(r"AF_INET6?\b", line)] == []


@pytest.mark.deep
def test_the_demo_is_served(tmp_path: Path) -> None:
    """It tells what it measured and then its address, opens no browser, and ends well by SIGTERM."""
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f"#!/bin/sh\necho $@ >> {opened}\n", encoding="utf-8")
    browser.chmod(0o755)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TWINSET_")}
    command = [sys.executable, "-m", "twinset", "demo", "--serve", "--out", str(tmp_path / "demo"), "-q"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=clean | {"TWINSET_PORT": "0", "BROWSER": str(browser)}
    ) as process:
        try:
            assert process.stdout is not None
            lines = list(takewhile(lambda line: "YOUR_PHOTOS" not in line, process.stdout))
            assert lines[0].startswith("recall@1 ")
            address = process.stdout.readline().strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address)
            with urlopen(address) as page:
                assert b"<main" in page.read()
            process.send_signal(signal.SIGTERM)
            assert process.wait(25) == 0
        finally:
            process.kill()
    assert not opened.exists()
