"""HTTP/1.1 by uvicorn and h11, with what uvicorn lacks: deadlines, a most of connections and of chunks, and whole
line ends.
"""

import asyncio
import socket
import uuid
from typing import Any, ClassVar, Final

import h11
from starlette.responses import Response
from uvicorn.protocols.http.h11_impl import H11Protocol

from twinset.errors import RequestError
from twinset.server.guard import carry
from twinset.server.problems import problem

_HEAD_END: Final = b"\r\n\r\n"
_DISCARDED: Final = 64 * 2**20
"""What of a refused body is still taken, unread: a client that is cut off while it sends may see no answer."""
_UNREAD: Final = 256 * 2**10
"""What the system keeps of answers for a client that does not read them: left alone, it keeps MiB for each."""
_CHUNKS: Final = 1024
"""Chunks that any body may have; beyond them, one for each `_CHUNK` bytes. A chunk of a byte costs what a large one
does, and so many come at once that nobody else was served for seconds.
"""
_CHUNK: Final = 1024
_INVALID: Final = "Invalid HTTP request received."


class _Counting(h11.Connection):
    """Takes no body of very many very small chunks."""

    _chunks = 0
    _bytes = 0

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """As h11's; a body of too many chunks is no HTTP to us."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._chunks = self._bytes = 0
        elif isinstance(event, h11.Data):
            self._chunks += event.chunk_start
            self._bytes += len(event.data)
            if self._chunks > _CHUNKS + self._bytes // _CHUNK:
                raise h11.RemoteProtocolError("too many chunks for so few bytes")
        return event


class _Bounded(H11Protocol):
    """At most so many connections, each of which is closed where it is too slow."""

    seconds: ClassVar[float]
    most: ClassVar[int]
    _late: asyncio.TimerHandle | None = None
    _untaken: asyncio.TimerHandle | None = None
    _discarded: int = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        head = self.config.h11_max_incomplete_event_size
        self.conn = _Counting(h11.SERVER) if head is None else _Counting(h11.SERVER, head)
        if len(self.connections) > self.most:
            transport.abort()
            return
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNREAD)
        transport.set_write_buffer_limits(high=0)  # so that writing pauses while anything is not taken
        self._expect()

    def data_received(self, data: bytes) -> None:
        before: Any = self.cycle
        refused = self._is_refused()
        super().data_received(data)
        if self.cycle is not before:
            self._forget()
        elif self.cycle is None or self.cycle.response_complete:
            self._expect()
        self._discarded = self._discarded + len(data) if refused and self._is_refused() else 0
        if self._discarded > _DISCARDED:
            self.transport.abort()

    def on_response_complete(self) -> None:
        """The rest of a body that nobody waits for has its time too."""
        super().on_response_complete()
        if self._is_refused():
            self._expect()

    def handle_events(self) -> None:
        """Refuses lines that end with a bare line feed: where one request ends must not be open to opinion."""
        if self.conn.their_state is h11.IDLE and _open_to_opinion(self.conn.trailing_data[0]):
            self.send_400_response(_INVALID)
            return
        super().handle_events()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """Refuses what is no HTTP; the request whose body it stands in is given up, as is one that is answered."""
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer = _no_http()
            bare = self.conn.our_state is h11.SEND_RESPONSE and self.scope["method"] == "HEAD"
            for event in (
                h11.Response(status_code=answer.status_code, headers=answer.raw_headers),
                h11.Data(data=b"" if bare else bytes(answer.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._untaken is None:
            self._untaken = self.loop.call_later(self.seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._taken()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        self._taken()
        super().connection_lost(exc)

    def _is_refused(self) -> bool:
        """Whether a body comes in whose request has been answered."""
        return self.conn.our_state is h11.DONE and self.conn.their_state is h11.SEND_BODY

    def _expect(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(self.seconds, self.transport.abort)

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _taken(self) -> None:
        if self._untaken is not None:
            self._untaken.cancel()
            self._untaken = None


def within(seconds: float, most: int) -> type[H11Protocol]:
    """A protocol that has at most so many connections, and closes one that is too slow.

    So many seconds has the head of a request to arrive, and an answer to be taken. The time of a body is
    `inflow`'s; that of an idle connection is uvicorn's `timeout_keep_alive`.
    """
    return type("Within", (_Bounded,), {"seconds": seconds, "most": most})


def _no_http() -> Response:
    """What is told where no request was understood, so that nothing of it can be told."""
    mend = "send HTTP/1.1, with a head of few lines"
    state = {"request_id": uuid.uuid4().hex}
    answer = problem(RequestError("bad_request", "this is no request, or its head is too long", mend), state)
    carry(answer.headers, state["request_id"])
    return answer


def _open_to_opinion(received: bytes) -> bool:
    head = received.partition(_HEAD_END)[0]
    return head.count(b"\n") != head.count(b"\r\n")
