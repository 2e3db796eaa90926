"""The only user of ONNX Runtime: a model file's bytes → run(array)."""

import os
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from twinset.errors import BundleError
from twinset.records import Pixels, Vectors

# Since 1.29 ONNX Runtime reports its use to its maker, unless this stands in the environment before it is loaded.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

_PHOTOS: Final = "photos"
_EMBEDDING: Final = "embedding"
_PATCHES: Final = "patches"
_WANT_PATCHES: Final = "want_patches"
_EXTERNAL_KEY: Final = b"\x0a\x08location"
"""How protobuf writes the key by which a tensor names a file outside the model."""

Patches = npt.NDArray[np.float32]


class Runtime:
    """A loaded model: uint8 `(N, H, W, 3)` photos → float32 `(N, D)` embeddings of length 1.

    Each call runs on the thread that makes it, so that several threads may share one Runtime and a
    photo's embedding does not depend on how many there are.

    Raises:
        BundleError: the bytes are no model of this form.

    """

    def __init__(self, model: bytes) -> None:
        if _EXTERNAL_KEY in model:
            raise BundleError("model.onnx keeps tensors in other files", "export it as one file")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise BundleError(f"model.onnx does not load: {_first_line(error)}", "export it again") from error
        inputs = {node.name: node for node in self._session.get_inputs()}
        outputs = {node.name: node for node in self._session.get_outputs()}
        if set(inputs) != {_PHOTOS} or _EMBEDDING not in outputs:
            raise BundleError(
                f"model.onnx takes {sorted(inputs)} and gives {sorted(outputs)}",
                "its input must be `photos`, its outputs `embedding` and perhaps `patches`",
            )
        self.has_patches = _PATCHES in outputs

    def embed(self, photos: Pixels) -> Vectors:
        """Embeds uint8 `(N, H, W, 3)` photos to float32 `(N, D)`."""
        return cast(Vectors, self._run([_EMBEDDING], {_PHOTOS: photos})[0])

    def patches(self, photos: Pixels) -> tuple[Vectors, Patches]:
        """Embeddings `(N, D)` and the contribution of each place `(N, h, w, D)`.

        Raises:
            BundleError: the model has no `patches`.

        """
        if not self.has_patches:
            raise BundleError("this bundle has no patches", "use a bundle whose model gives them")
        feed = {_PHOTOS: photos, _WANT_PATCHES: np.array(True)}
        embedding, patches = self._run([_EMBEDDING, _PATCHES], feed)
        return cast(Vectors, embedding), cast(Patches, patches)

    def _run(self, outputs: list[str], feed: dict[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        try:
            return cast(list[npt.NDArray[Any]], self._session.run(outputs, feed))
        except Exception as error:
            raise BundleError(f"model.onnx failed: {_first_line(error)}", "export it again") from error


def version() -> str:
    """The inference runtime's name and version."""
    return f"onnxruntime {onnxruntime.__version__}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
