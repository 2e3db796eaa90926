"""The only user of ONNX Runtime: a model file's bytes → run(array), on the processor or on a GPU."""

import contextlib
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Final, Literal, cast, get_args

import numpy as np
import numpy.typing as npt

from twinset.errors import BundleError, MissingExtraError, OutOfMemoryError, UsageError, did_you_mean, first_line
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

_CPU: Final = "CPUExecutionProvider"
_CUDA: Final = "CUDAExecutionProvider"
_CUDA_OPTIONS: Final = {
    "use_tf32": "0",  # its ten bits would move an embedding by a thousandth
    "cudnn_conv_algo_search": "HEURISTIC",  # the default times every algorithm anew for each size of a batch
    "arena_extend_strategy": "kSameAsRequested",  # the default asks for twice what is needed
}
_OUT_OF_MEMORY: Final = ("failed to allocate memory", "bad_alloc", "out of memory", "alloc_failed")
"""What ONNX Runtime, CUDA and cuDNN write when memory runs out; there is no type of error for it."""
_FATAL, _WARNING = 4, 2

_DISTRIBUTIONS: Final = ("onnxruntime", "onnxruntime-gpu")
"""They share one import package: beside each other, one has overwritten files of the other."""
_ONE_OF_THEM: Final = "pip uninstall -y onnxruntime onnxruntime-gpu && pip install --no-deps"
"""Both, since uninstalling one takes files of the other away; `--no-deps`, since nothing else was amiss."""

Device = Literal["auto", "cpu", "cuda"]
DEVICES: Final[tuple[Device, ...]] = get_args(Device)
Patches = npt.NDArray[np.float32]


class Runtime:
    """A loaded model: uint8 `(N, H, W, 3)` photos → float32 `(N, D)` embeddings of length 1.

    Each call runs on the thread that makes it, so that several threads may share one Runtime and a
    photo's embedding does not depend on how many there are. `device` is `cpu`, `cuda` (a GPU of NVIDIA's), or
    `auto`: the GPU where one can be used, else the processor. The attribute `device` is where the model runs.

    Raises:
        BundleError: the bytes are no model of this form.
        MissingExtraError: `cuda` is asked for, and the installed runtime is the processor's.
        UsageError: `cuda` is asked for, and no GPU can be used; or there is no such device, or no whole runtime.
        OutOfMemoryError: `cuda` is asked for, and the GPU has no room for the model.

    """

    def __init__(self, model: bytes, device: Device = "auto") -> None:
        check_device(device)
        found = installation()
        if not found.providers:
            raise UsageError(f"{found} has lost files to another that was uninstalled", found.mend)
        if _EXTERNAL_KEY in model:
            raise BundleError("model.onnx keeps tensors in other files", "export it as one file")
        offered = device != "cpu" and _CUDA in found.providers
        session = _on_gpu(model, asked=device == "cuda") if offered else None
        self.device: Literal["cpu", "cuda"] = "cpu" if session is None else "cuda"
        self._session = _on_cpu(model) if session is None else session
        if device == "cuda" and session is None:
            raise _no_gpu(found)
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
            if _is_full(error):
                raise _out_of_memory(f"a batch of {len(feed[_PHOTOS]):,}", self.device) from error
            raise BundleError(f"model.onnx failed: {first_line(error)}", "export it again") from error


def check_device(device: str) -> Device:
    """The device of that name.

    Raises:
        UsageError: there is none.

    """
    for known in DEVICES:
        if known == device:
            return known
    name = "cuda" if device.lower().startswith("gpu") else device.lower()
    raise UsageError(
        f"there is no device {device!r}", did_you_mean(name, DEVICES, f"use one of {', '.join(DEVICES)}")
    )


@dataclass(frozen=True, slots=True)
class Installation:
    """What is installed of ONNX Runtime, what it offers to compute with, and the commands that mend it."""

    distributions: Mapping[str, str]
    providers: tuple[str, ...]
    mend: str

    def __str__(self) -> str:
        return " and ".join(f"{name} {version}" for name, version in self.distributions.items()) or "onnxruntime"


def installation() -> Installation:
    """What importlib.metadata and the loaded runtime tell; whether a GPU answers, only a session does."""
    found = {}
    for name in _DISTRIBUTIONS:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    providers = tuple(getattr(onnxruntime, "get_available_providers", tuple)())
    kept = "onnxruntime-gpu" if "onnxruntime-gpu" in found else "onnxruntime"
    sound = providers and len(found) < 2
    return Installation(found, providers, "" if sound else f"{_ONE_OF_THEM} {kept}")


def _on_cpu(model: bytes) -> Any:
    """A session whose every call runs on one thread.

    Raises:
        BundleError: the bytes are no model.

    """
    try:
        return onnxruntime.InferenceSession(model, _options(), providers=[_CPU])
    except Exception as error:
        raise BundleError(f"model.onnx does not load: {first_line(error)}", "export it again") from error


def _on_gpu(model: bytes, *, asked: bool) -> Any | None:
    """A session on the GPU, or None: ONNX Runtime itself would go on with the processor and say nothing.

    Raises:
        OutOfMemoryError: the GPU is `asked` for, and has no room for the model.

    """
    with _hushed():
        try:
            if hasattr(onnxruntime, "preload_dlls"):
                onnxruntime.preload_dlls()  # finds the CUDA that pip installed
            wanted = [(_CUDA, _CUDA_OPTIONS), _CPU]
            session = onnxruntime.InferenceSession(model, _options(), providers=wanted, enable_fallback=0)
        except Exception as error:  # whether CUDA or the model is at fault, the processor's session tells
            if asked and _is_full(error):
                raise _out_of_memory("the model", "cuda") from error
            return None
    session.disable_fallback()
    return session if _CUDA in session.get_providers() else None


def _options() -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL  # what fails is raised
    return options


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Without what ONNX Runtime prints on both streams when it finds no CUDA: we say it in one line."""
    onnxruntime.set_default_logger_severity(_FATAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        onnxruntime.set_default_logger_severity(_WARNING)


def _no_gpu(found: Installation) -> UsageError:
    if found.mend:
        return UsageError(f"cuda cannot be used where {found} stand side by side", found.mend)
    if _CUDA not in found.providers:
        extra = f'pip install "twinset[gpu]" && {_ONE_OF_THEM} onnxruntime-gpu'
        return MissingExtraError(
            f"cuda needs the extra `gpu`: {found} computes on the CPU alone", f"{extra}; or use --device cpu"
        )
    return UsageError(
        f"no GPU can be used: {found} finds none, or not CUDA {onnxruntime.cuda_version} and cuDNN",
        "see that `nvidia-smi` lists it, and that CUDA and cuDNN are installed; or use --device cpu",
    )


def _is_full(error: Exception) -> bool:
    return any(words in str(error).lower() for words in _OUT_OF_MEMORY)


def _out_of_memory(what: str, device: str) -> OutOfMemoryError:
    mend = "free some" if device == "cpu" else "free some of the GPU's, or use --device cpu"
    return OutOfMemoryError(f"memory ran out on {device} for {what}", mend)
