"""Requests sent when they are due, whether or not others were answered: an open loop, as strangers come."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_PATIENCE = 30.0


@dataclass(frozen=True)
class Load:
    """What came of requests at a rate: by status the seconds from when each was due to its answer."""

    rate: float
    lasted: float
    seconds: dict[int, list[float]]
    broken: int

    def percentile(self, share: float, status: int = 200) -> float:
        """Milliseconds within which such a share (0-100) was answered; infinite without an answer."""
        told = self.seconds.get(status, [])
        return 1e3 * float(np.percentile(told, share)) if told else float("inf")

    @property
    def answered(self) -> float:
        """Answers a second."""
        return len(self.seconds.get(200, [])) / self.lasted

    @property
    def refused(self) -> float:
        """The share that got another status than 200, or none."""
        others = sum(len(told) for status, told in self.seconds.items() if status != 200) + self.broken
        return others / max(1, others + len(self.seconds.get(200, [])))


def request(port: int, path: str, photo: bytes) -> bytes:
    """A search as it is sent."""
    lines = (
        f"POST {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Content-Type: image/jpeg",
        f"Content-Length: {len(photo)}",
    )
    return "\r\n".join((*lines, "", "")).encode() + photo


def load(port: int, requests: Sequence[bytes], rate: float, seconds: float, seed: int = 0) -> Load:
    """Sends `rate` requests a second for so long, at random moments, as strangers come."""
    draw = np.random.Generator(np.random.PCG64(seed))
    due = np.cumsum(draw.exponential(1 / rate, int(rate * seconds)))
    chosen = draw.integers(0, len(requests), len(due))
    return asyncio.run(_sent(port, [requests[number] for number in chosen], due.tolist(), rate))


async def _sent(port: int, requests: Sequence[bytes], due: Sequence[float], rate: float) -> Load:
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    told: dict[int, list[float]] = {}
    failed = Counter[str]()
    started = time.perf_counter()

    async def one(data: bytes, at: float) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                line = idle.pop() if idle else await asyncio.open_connection("127.0.0.1", port)
                line[1].write(data)
                status, open_ = await _answer(line[0])
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            failed[type(error).__name__] += 1
            return
        told.setdefault(status, []).append(time.perf_counter() - started - at)
        if open_:
            idle.append(line)
        else:
            line[1].close()

    async with asyncio.TaskGroup() as group:
        for data, at in zip(requests, due, strict=True):
            await asyncio.sleep(max(0.0, started + at - time.perf_counter()))
            group.create_task(one(data, at))
    lasted = max(time.perf_counter() - started, due[-1])
    for _, writer in idle:
        writer.close()
    return Load(rate, lasted, told, failed.total())


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = int(head.partition("content-length:")[2].partition("\r\n")[0])
    await reader.readexactly(length)
    return int(head.split(maxsplit=2)[1]), "connection: close" not in head
