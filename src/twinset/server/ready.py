"""Whether a catalogue answers: found out by a real search, again whenever another version or state is live."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Final

import numpy as np

from twinset import photos
from twinset.catalogue import Catalogue
from twinset.errors import IntegrityError, PathError, TwinsetError
from twinset.records import CatalogueState
from twinset.server.decoders import Decoders
from twinset.server.desk import Desk
from twinset.server.telemetry import Telemetry

_LOG: Final = logging.getLogger(__name__)
_EVERY: Final = 0.5
"""Seconds between two looks at a catalogue: a server follows what is written to it within a second."""
_SIZE: Final = 64
_FAULT: Final = "a fault of this program"


class Readiness:
    """Looks at every catalogue again and again; `ready` names those that answered."""

    def __init__(self, catalogues: Mapping[str, Catalogue], decoders: Decoders, telemetry: Telemetry) -> None:
        self._catalogues, self._decoders, self._telemetry = catalogues, decoders, telemetry
        self._desk = Desk(1, threads=1)
        self._seen: dict[str, tuple[int, int]] = {}
        self._told: dict[str, str] = {}
        self._broken = set[str]()
        self._photo = photos.encode_jpeg(
            np.random.Generator(np.random.PCG64(0)).integers(0, 256, (_SIZE, _SIZE, 3), np.uint8)
        )

    @property
    def ready(self) -> frozenset[str]:
        """The catalogues that answered when they were last asked."""
        return frozenset(self._seen)

    @property
    def broken(self) -> frozenset[str]:
        """The catalogues that could not be read when they were last looked at."""
        return frozenset(self._broken)

    async def watch(self) -> None:
        """Looks until it is cancelled; whatever a look ends with, the next one follows."""
        try:
            while True:
                for name, catalogue in self._catalogues.items():
                    looking = asyncio.ensure_future(self._desk.run(partial(self._look, name, catalogue)))
                    try:
                        await asyncio.wait({looking})
                    finally:
                        looking.cancel()
                    self._note(name, looking)
                await asyncio.sleep(_EVERY)
        finally:
            await asyncio.to_thread(self._desk.close)  # a look may still be under way

    def _look(self, name: str, catalogue: Catalogue) -> CatalogueState | None:
        """What the catalogue answers of itself; None where nothing has changed since it last did."""
        with suppress(IntegrityError):  # of a version that does not answer yet; else the search meets it
            catalogue.warm()
        if self._seen.get(name) == catalogue.moment():
            return None
        return catalogue.search([self._decoders.decode(self._photo)], 1).catalogue

    def _note(self, name: str, looked: asyncio.Future[CatalogueState | None]) -> None:
        fault = looked.exception()
        if fault is not None:
            self._seen.pop(name, None)
            if isinstance(fault, IntegrityError | PathError):
                self._broken.add(name)
            self._tell(name, fault)
            return
        self._told.pop(name, None)
        self._broken.discard(name)
        state = looked.result()
        if state is not None:
            if self._seen.get(name, (0, 0))[0] != state.version:
                _LOG.info("catalogue %s answers with version %d", name, state.version)
            self._seen[name] = state.version, state.sequence
            facts = {"photos": state.photos, "items": state.items}
            self._telemetry.holds(name, facts | {"version": state.version, "sequence": state.sequence})

    def _tell(self, name: str, fault: BaseException) -> None:
        """Logs why a catalogue does not answer, once until it is for another reason."""
        ours = isinstance(fault, TwinsetError)
        why = str(fault) if ours else f"{_FAULT}, {type(fault).__name__}"
        if self._told.get(name) != why:
            self._told[name] = why
            _LOG.error("catalogue %s does not answer: %s", name, why, exc_info=None if ours else fault)
