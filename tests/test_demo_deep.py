"""What the demo does to the outside world, traced."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

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
