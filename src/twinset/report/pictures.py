"""Photos as small pictures inside a page."""

from collections.abc import Callable, Iterable
from typing import Final

from twinset import webpage
from twinset.errors import CatalogueError, InputError
from twinset.progress import SILENT, Progress, counted
from twinset.records import Photo, Pixels

Look = Callable[[Photo], Pixels]
"""The pixels of a photo; raises `InputError` or `CatalogueError` where it cannot be read."""
LONG_SIDE: Final = 160


def thumbnails(shown: Iterable[Photo], look: Look, progress: Progress = SILENT) -> dict[str, str]:
    """Data URIs by photo id, of the photos that can be read."""
    wanted = {photo.photo_id: photo for photo in shown}
    found = {}
    for name, photo in counted(wanted.items(), progress, "drawing the report", len(wanted)):
        try:
            pixels = look(photo)
        except (InputError, CatalogueError):
            continue
        found[name] = webpage.picture(pixels, LONG_SIDE)
    return found
