"""How a server ends that has not begun to answer."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from server.live import start, until
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


@pytest.mark.deep
def test_who_is_cut_off_at_the_end_is_told(tmp_path: Path) -> None:
    """A photo that still comes when the time is up is answered by a problem, and the server ends well."""
    index(tmp_path / "c", shop(tmp_path / "shop", items=1))
    live = start(tmp_path / "c", tmp_path / "tmp", receive_seconds=60.0)
    head = "POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 99\r\n\r\n"
    with live.connect() as line:
        line.settimeout(30)
        line.sendall(head.encode() + b"begun")
        assert live.ask("GET", "/healthz").status == 200
        began = time.monotonic()
        status = live.close()
        assert time.monotonic() - began < 20
        answer = line.recv(65536)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nretry-after: 5\r\n" in answer
    assert b'"code":"not_ready"' in answer
    assert status == 0
    assert "Traceback" not in "".join(live.log)
