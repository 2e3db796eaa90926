"""The vectors by which a catalogue is evaluated: what it stores, not what it would store."""

from collections.abc import Sequence

import numpy as np

from twinset.catalogue.versions import Live
from twinset.embedder import Embedded, embed_photos
from twinset.errors import SourceError
from twinset.manifest import Manifest
from twinset.progress import Progress
from twinset.records import Fault, Photo, photo_id
from twinset.runtime import Device
from twinset.store.rows import Rows, Source


def embed(
    rows: Rows, live: Live, manifest: Manifest, chosen: Sequence[Photo], *, device: Device, progress: Progress
) -> Embedded:
    """Stored vectors of shop photos, others by the live bundle; a shop photo not stored is a fault.

    Raises:
        SourceError: the manifest is no source of the catalogue.
        MissingExtraError, UsageError: the device is not there.

    """
    with rows.snapshot():
        version = rows.live()
        name_of = _names(rows.sources(), manifest, chosen)
        found = rows.find(list(name_of.values()))
        stored = [photo for photo in chosen if name_of[photo.path] in found]
        vectors = rows.vectors(version, [found[name_of[photo.path]].id for photo in stored]) if stored else None
    others = [photo for photo in chosen if name_of[photo.path] not in found]
    absent = [
        Fault(photo.line, photo.path, "not_indexed", "the catalogue does not hold this shop photo")
        for photo in others
        if photo.domain == "shop"
    ]
    queries = [photo for photo in others if photo.domain != "shop"]
    embedded = embed_photos(live.embedder(version, device), queries, manifest.root, progress)
    both = embedded.vectors if vectors is None else np.concatenate([vectors, embedded.vectors])
    return Embedded((*stored, *embedded.photos), both, (*absent, *embedded.faults))


def _names(sources: Sequence[Source], manifest: Manifest, chosen: Sequence[Photo]) -> dict[str, str]:
    """Path → photo id in the source that the manifest is."""
    source = next((s.name for s in sources if s.root == str(manifest.root)), None)
    if source is None:
        roots = ", ".join(f"{s.name} = {s.root}" for s in sources)
        raise SourceError(f"{manifest.root} is no source of the catalogue ({roots})", "index this manifest first")
    return {photo.path: photo_id(source, photo.path) for photo in chosen}
