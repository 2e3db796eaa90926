"""Stored photos → their embeddings by a bundle: from the source, or from the copy where that is gone or changed."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from twinset import photos
from twinset.embedder import Embedder, embed_in_order
from twinset.errors import CatalogueError, InputError
from twinset.manifest.table import Confined
from twinset.photos import Decoded
from twinset.records import MadeFrom, Pixels, Vectors
from twinset.store.copies import LONG_SIDE, Copies, Copy
from twinset.store.schema import Row


@dataclass(frozen=True, slots=True)
class Again:
    """A row, its embedding `(D,)`, and what that was made from."""

    row: Row
    vector: Vectors
    made_from: MadeFrom


def embed_again(
    embedder: Embedder, rows: Iterable[Row], roots: Mapping[str, Path], copies: Copies
) -> Iterator[Again | Row]:
    """Embeds rows in their order; `roots` are of the sources, by name.

    Only the bytes that a row was made from count. A row that has neither source nor copy any more comes back as it
    is.
    """

    def prepare(row: Row) -> tuple[tuple[Row, MadeFrom], Pixels | None]:
        decoded, made_from = stored_photo(row, roots, copies)
        if decoded is None:
            return (row, made_from), None
        return (row, made_from), embedder.prepare(decoded, photos.in_fractions(row.photo.box, decoded))

    for (row, made_from), vector in embed_in_order(embedder, prepare, rows):
        yield row if vector is None else Again(row, vector, made_from)


def copy_of(photo_id: str, content: str, decoded: Decoded) -> Copy:
    """The copy that is kept of a photo whose file has the hash `content`."""
    jpeg = photos.encode_jpeg(photos.shrink(decoded.pixels, LONG_SIDE))
    return Copy(photo_id, content, decoded.width, decoded.height, jpeg)


def stored_photo(row: Row, roots: Mapping[str, Path], copies: Copies) -> tuple[Decoded | None, MadeFrom]:
    """The photo that a row was made of, from its source or else from its copy; None where both are gone."""
    decoded = from_source(row, roots)
    return (_from_copy(row, copies), "copy") if decoded is None else (decoded, "source")


def from_source(row: Row, roots: Mapping[str, Path]) -> Decoded | None:
    """The photo that a row was made of, None where the source is gone, changed, or outside its root."""
    if row.source not in roots:
        return None
    try:
        root = roots[row.source].resolve()
        if Confined(root).fault(row.photo.path, on_disk=True):
            return None
        data = photos.read_bytes(root / row.photo.path)
        return photos.decode(data) if photos.content_hash(data) == row.content else None
    except (InputError, OSError, RuntimeError):  # the last for links in a circle
        return None


def from_copy(row: Row, copy: Copy | None) -> Decoded | None:
    """The photo of a row as its copy shows it, None where there is none or it is of other bytes.

    Raises:
        PhotoError: the copy cannot be decoded.

    """
    if copy is None or copy.content != row.content:
        return None
    return Decoded(photos.read(copy.jpeg), copy.width, copy.height)


def _from_copy(row: Row, copies: Copies) -> Decoded | None:
    name = row.photo.photo_id
    try:
        return from_copy(row, copies.get([name]).get(name))
    except (CatalogueError, InputError):
        return None
