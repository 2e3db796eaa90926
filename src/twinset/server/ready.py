"""Whether a catalogue answers: found out by a real search, again whenever another version or state is live."""

import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from typing import Final

import numpy as np

from twinset import photos
from twinset.catalogue import Catalogue
from twinset.errors import TwinsetError
from twinset.server.decoders import Decoders
from twinset.server.desk import Desk
from twinset.server.telemetry import Telemetry

_LOG: Final = logging.getLogger(__name__)
_EVERY: Final = 0.5
"""Seconds between two looks at a catalogue: a server follows what is written to it within a second."""
_SIZE: Final = 64


class Readiness:
    """Looks at every catalogue again and again; `ready` names those that answered."""

    def __init__(self, catalogues: Mapping[str, Catalogue], decoders: Decoders, telemetry: Telemetry) -> None:
        self._catalogues, self._decoders, self._telemetry = catalogues, decoders, telemetry
        self._desk = Desk(1, threads=1)
        self._seen: dict[str, tuple[int, int]] = {}
        self._photo = photos.encode_jpeg(
            np.random.Generator(np.random.PCG64(0)).integers(0, 256, (_SIZE, _SIZE, 3), np.uint8)
        )

    @property
    def ready(self) -> frozenset[str]:
        """The catalogues that answered when they were last asked."""
        return frozenset(self._seen)

    async def watch(self) -> None:
        """Looks until it is cancelled."""
        try:
            while True:
                for name, catalogue in self._catalogues.items():
                    with self._desk.place():
                        await self._desk.run(partial(self._look, name, catalogue))
                await asyncio.sleep(_EVERY)
        finally:
            self._desk.close()

    def _look(self, name: str, catalogue: Catalogue) -> None:
        try:
            if self._seen.get(name) == catalogue.moment():
                return
            answer = catalogue.search([self._decoders.decode(self._photo)], 1)
        except TwinsetError as error:
            if self._seen.pop(name, None) or name not in self._seen:
                _LOG.error("catalogue %s does not answer: %s", name, error)
            return
        state = answer.catalogue
        self._seen[name] = state.version, state.sequence
        facts = {"photos": state.photos, "items": state.items, "version": state.version, "sequence": state.sequence}
        self._telemetry.holds(name, facts)
