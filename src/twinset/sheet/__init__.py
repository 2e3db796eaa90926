"""Contact sheets and maps laid over photos: the only drawer of results."""

from twinset.sheet.overlay import Heat
from twinset.sheet.sheets import (
    Explained,
    Frame,
    Tile,
    Versus,
    answer_sheet,
    check_ending,
    explained_sheet,
    rows_sheet,
    save,
    versus_sheet,
)

__all__ = [
    "Explained",
    "Frame",
    "Heat",
    "Tile",
    "Versus",
    "answer_sheet",
    "check_ending",
    "explained_sheet",
    "rows_sheet",
    "save",
    "versus_sheet",
]
