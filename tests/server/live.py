"""A real server in a process of its own: asked by sockets, measured from outside."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

_SERVE = """
import json, resource, sys
from twinset import Catalogue
from twinset.cli.logs import configure
from twinset.server.app import create_app
from twinset.server.run import serve
from twinset.settings import ServeSettings

catalogue, settings, handles, file_bytes = json.loads(sys.argv[1])
configure(quiet=False)
for limit, most in ((resource.RLIMIT_NOFILE, handles), (resource.RLIMIT_FSIZE, file_bytes)):
    resource.setrlimit(limit, (most, most))
app_settings = ServeSettings(port=0, **settings)
serve(create_app(Catalogue(catalogue), app_settings), app_settings, lambda address: print(address, flush=True))
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, headers by small name, and a body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as strict JSON."""
        return json.loads(self.body, parse_constant=_refuse)

    def code(self) -> str:
        """The code of a problem."""
        assert self.headers["content-type"] == "application/problem+json", self
        return str(self.json()["code"])


@dataclass(frozen=True, slots=True)
class Facts:
    """What a server holds: MiB of memory, open files, other processes and their MiB, temporary files."""

    memory: float
    handles: int
    children: int
    decoders: float
    files: int


@dataclass
class Live:
    """A server that answers."""

    process: subprocess.Popen[str]
    port: int
    folder: Path
    reader: threading.Thread
    log: list[str]

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = 20,
    ) -> Answer:
        """One request, on a connection of its own."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            line.request(method, path, body, dict(headers or {}))
            got = line.getresponse()
            return Answer(got.status, {name.lower(): value for name, value in got.getheaders()}, got.read())
        finally:
            line.close()

    def search(self, photo: bytes, query: str = "k=5") -> Answer:
        """A search with one photo."""
        return self.ask("POST", f"/v1/search?{query}", photo, {"Content-Type": "image/jpeg"})

    def connect(self) -> socket.socket:
        """A connection to send anything by."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def line(self, method: str, target: str, *headers: str) -> bytes:
        """What is answered to a head of any bytes, which no client would send."""
        head = "\r\n".join((f"{method} {target} HTTP/1.1", *headers, "Connection: close"))
        return self.raw(head.encode("utf-8", "surrogateescape") + b"\r\n\r\n", 5)

    def raw(self, sent: bytes, seconds: float = 20) -> bytes:
        """All that is answered to some bytes until the connection is closed or `seconds` are over."""
        with self.connect() as line:
            line.settimeout(seconds)
            got = b""
            try:
                line.sendall(sent)
                while part := line.recv(65536):
                    got += part
            except (TimeoutError, ConnectionError):
                pass
            return got

    def facts(self) -> Facts:
        """What the server holds now."""
        handles = list(Path(f"/proc/{self.process.pid}/fd").iterdir())
        children = self.children()
        files = list(self.folder.iterdir())
        held = sum(map(_memory, children))
        return Facts(_memory(self.process.pid), len(handles), len(children), held, len(files))

    def cpu(self) -> float:
        """Seconds that its process has computed, the others that it has begun left out."""
        told = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")

    def forget_peaks(self) -> None:
        """What its processes held at most is counted from now on."""
        for pid in (self.process.pid, *self.children()):
            with suppress(FileNotFoundError):
                Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")

    def peaks(self) -> tuple[float, float]:
        """MiB that its process held at most, and the processes that it has begun together."""
        return _peak(self.process.pid), sum(map(_peak, self.children()))

    def open_files(self) -> list[str]:
        """What its file handles lead to."""
        links = Path(f"/proc/{self.process.pid}/fd").iterdir()
        return [os.readlink(link) for link in links if link.is_symlink()]  # noqa: PTH115 - sockets are no paths

    def children(self) -> list[int]:
        """The processes that it has begun."""
        found = list[int]()
        for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
            with suppress(FileNotFoundError):  # a thread that has ended since
                found += map(int, (thread / "children").read_text(encoding="ascii").split())
        return found

    def close(self) -> int:
        """Ends it as a service manager does; returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()
            self.process.wait()
            self.reader.join(10)
            for pipe in (self.process.stdout, self.process.stderr):
                assert pipe is not None
                pipe.close()


def start(catalogue: Path, folder: Path, *, handles: int = 4096, file_bytes: int = -1, **settings: object) -> Live:
    """A server that is ready; `folder` is where its temporary files would be."""
    folder.mkdir(exist_ok=True)
    given = json.dumps([str(catalogue), settings, handles, file_bytes])
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, given],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(folder)},
        cwd=folder,
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    log: list[str] = []
    reader = threading.Thread(target=_gathered, args=(process, log), daemon=True)
    reader.start()
    live = Live(process, int(address.rpartition(":")[2]), folder, reader, log)
    if not until(lambda: live.ask("GET", "/readyz").status == 200, 60):
        live.close()
        raise AssertionError("".join(log))
    return live


def until(holds: Callable[[], bool], seconds: float) -> bool:
    """Whether something holds at the latest after so many seconds."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def form(parts: Sequence[tuple[str, bytes]], boundary: str = "b") -> bytes:
    """A form of parts, each with its header lines and content."""
    lines = b"".join(
        f"--{boundary}\r\n".encode() + head.encode() + b"\r\n\r\n" + content + b"\r\n" for head, content in parts
    )
    return lines + f"--{boundary}--\r\n".encode()


def within_path(text: str) -> str:
    """Any text as a part of an address."""
    return quote(text.encode("utf-8", "surrogateescape"), safe="")


def _memory(pid: int) -> float:
    """MiB that a process holds; 0 where it has ended."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _peak(pid: int) -> float:
    """MiB that a process held at most; 0 where it has ended."""
    try:
        told = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    return int(told.partition("VmHWM:")[2].split()[0]) / 2**10


def _gathered(process: subprocess.Popen[str], log: list[str]) -> None:
    assert process.stderr is not None
    log.extend(process.stderr)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
