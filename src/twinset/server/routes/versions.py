"""`/v1/versions`: what a catalogue could answer by, and the way back, for who has the admin key."""

from functools import partial
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query

from twinset.catalogue.upgrade import rollback, way_back
from twinset.errors import UsageError
from twinset.served import ServedVersions
from twinset.server.parameters import Which
from twinset.server.problems import CHANGING, READING, WRITING, refusals
from twinset.server.service import WAIT, Served, admin

router: Final = APIRouter(prefix="/v1/versions", dependencies=[Depends(admin)], tags=["admin"])
_MOST_EMBEDDED: Final = 1000
"""Photos that a way back embeds first: more would take longer than a server that stops has to answer."""


@router.get("", name="versions", summary="Versions", responses=refusals(*READING, "admin_only"))
async def versions(asked: Annotated[Which, Query()], service: Served) -> ServedVersions:
    """The versions that the catalogue keeps, and when it was last written."""
    _, catalogue = service.catalogue(asked.catalogue)
    return await service.thumbnails.run(catalogue.versions)


@router.post("/rollback", name="roll_back", summary="Roll back", responses=refusals(*CHANGING, *WRITING))
async def roll_back(asked: Annotated[Which, Query()], service: Served) -> ServedVersions:
    """Makes the version that answered before answer again; photos that came since, if few, are embedded first."""
    name, catalogue = service.catalogue(asked.catalogue)
    await service.changes[name].run(partial(_back, catalogue.path))
    return await service.thumbnails.run(catalogue.versions)


def _back(path: Path) -> None:
    _, lacking = way_back(path)
    if lacking > _MOST_EMBEDDED:
        raise UsageError(
            f"{lacking:,} photos came since, and must be embedded first",
            "run `twinset upgrade --rollback` where the catalogue lies",
        )
    rollback(path, device="cpu", wait=WAIT)
