"""The vectors file (`.npz`): embeddings by path, which any other system can make too."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from twinset.errors import PathError, VectorsError, disk_errors
from twinset.files import replacing
from twinset.records import Photo, Vectors


@dataclass(frozen=True, slots=True)
class VectorsFile:
    """Embeddings `(N, D)` of length 1, by the path that a manifest gives them."""

    paths: tuple[str, ...]
    vectors: Vectors
    fingerprint: str
    boxes_ignored: bool = False

    def of(self, photos: Sequence[Photo]) -> Vectors:
        """The vectors of `photos`, in their order.

        Raises:
            VectorsError: a path is missing or extra.

        """
        index = {_plain(path): i for i, path in enumerate(self.paths)}
        wanted = {photo.path for photo in photos}
        for what, names in (("lack", wanted - index.keys()), ("have, beyond the manifest,", index.keys() - wanted)):
            if names:
                some = ", ".join(sorted(names)[:3])
                raise VectorsError(
                    f"the vectors {what} {len(names):,} paths: {some}",
                    "embed the same manifest, less the skipped rows",
                )
        return self.vectors[[index[photo.path] for photo in photos]]

    def held(self, photos: Sequence[Photo]) -> tuple[list[Photo], Vectors]:
        """Those of `photos` that the file holds, and their vectors."""
        index = {_plain(path): i for i, path in enumerate(self.paths)}
        here = [photo for photo in photos if photo.path in index]
        return here, self.vectors[np.array([index[photo.path] for photo in here], np.int64)]


def save(path: Path, photos: Sequence[Photo], vectors: Vectors, fingerprint: str, *, boxes: bool) -> None:
    """Writes vectors beside their paths, all or nothing; `boxes` tells whether boxes were used.

    Raises:
        PathError, DiskFullError, ResourceError: the disk refused it.

    """
    with disk_errors(path), replacing(path) as file:
        np.savez(
            file,
            path=np.array([photo.path for photo in photos], dtype=np.str_),
            embedding=vectors,
            fingerprint=np.array(fingerprint),
            boxes=np.array("used" if boxes else "ignored"),
        )


def load(path: Path) -> VectorsFile:
    """Reads a vectors file; vectors are brought to length 1.

    Raises:
        PathError: there is no such file.
        VectorsError: the file has another form.

    """
    if not path.is_file():
        raise PathError(f"there is no file {path}", "write one with `twinset embed`")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            paths, vectors = arrays["path"], arrays["embedding"]
            fingerprint = str(arrays["fingerprint"]) if "fingerprint" in arrays else ""
            ignored = "boxes" in arrays and str(arrays["boxes"]) == "ignored"
    except Exception as error:
        raise VectorsError(
            f"{path} is no vectors file, an .npz with `path` and `embedding`", "write one with `twinset embed`"
        ) from error
    kinds = paths.dtype.kind + vectors.dtype.kind
    if kinds != "Uf" or vectors.ndim != 2 or paths.shape != vectors.shape[:1]:
        raise VectorsError(
            f"{path} has path {paths.dtype}{paths.shape} and embedding {vectors.dtype}{vectors.shape}",
            "path must be N strings, embedding N × D floats",
        )
    names = tuple(paths.tolist())
    if len({_plain(name) for name in names}) != len(names):
        raise VectorsError(f"{path} has a path twice", "keep one vector a path")
    with np.errstate(over="ignore"):
        vectors = vectors.astype(np.float32)
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))[:, np.newaxis]
    if not np.all(np.isfinite(lengths)) or np.any(lengths == 0):
        raise VectorsError(f"{path} has a vector that is zero or not finite", "leave such rows out")
    np.divide(vectors, lengths, out=vectors, casting="same_kind")
    return VectorsFile(names, vectors, fingerprint, ignored)


def _plain(path: str) -> str:
    """A path as a manifest reads it: `./a.jpg` is `a.jpg`."""
    return str(PurePosixPath(path))
