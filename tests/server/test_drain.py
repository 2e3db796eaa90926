"""How a server ends that has not begun to answer."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from server.live import until
from shops import index, shop


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="this system does not tell what is caught")
def test_it_ends_well_before_it_listens(tmp_path: Path) -> None:
    """SIGTERM while it still loads what it needs: 0, and no word of it."""
    index(tmp_path / "c", shop(tmp_path / "shop", items=1))
    command = [sys.executable, "-m", "twinset", "serve", "--port", "0", "--catalogue", str(tmp_path / "c")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert until(lambda: catches(process.pid, signal.SIGTERM), 20)
            time.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, err) == (0, "")


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    (mask,) = (line.split()[1] for line in lines if line.startswith("SigCgt:"))
    return bool(int(mask, 16) >> (number - 1) & 1)
