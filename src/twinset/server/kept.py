"""What who asks has kept: an answer's ETag, and whether it is the one that is there already."""

import hashlib

from fastapi import Request


def tag_of(content: bytes, look: str = "") -> str:
    """The ETag of some bytes, or of a `look` at them."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}{look}"'


def is_kept(tag: str, request: Request) -> bool:
    """Whether `If-None-Match` names a tag: one of several, also as a proxy that packed it has weakened it."""
    told = ",".join(request.headers.getlist("if-none-match"))
    return told.strip() == "*" or tag in (one.strip().removeprefix("W/") for one in told.split(","))
