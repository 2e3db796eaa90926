"""The machine under a run: what makes torch fast and repeatable here, and what it is."""

import ctypes
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import Any, Final

import torch

from twinset.embedder import cores

_LIBRARIES: Final = ("twinset", "torch", "transformers", "accelerate", "numpy", "pillow", "onnx", "onnxruntime")
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_NEVER: Final = 2**31 - 1


@contextmanager
def tuned(device: torch.device) -> Iterator[None]:
    """Deterministic algorithms, denormal numbers flushed to zero, freed memory kept for the next step.

    Without the last two, page faults and denormals take most of a step on a CPU. Torch's settings are put back.
    """
    was = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True, warn_only=device.type != "cpu")
    torch.backends.cudnn.benchmark = False
    torch.set_flush_denormal(True)
    _keep_freed_memory()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        torch.set_flush_denormal(False)
        torch.backends.cudnn.benchmark = benchmark
        torch.use_deterministic_algorithms(was[0], warn_only=was[1])


def facts(device: torch.device) -> dict[str, Any]:
    """Versions, processor and threads: what a figure depends on."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "libraries": {name: metadata.version(name) for name in _LIBRARIES if _installed(name)},
    }


def _keep_freed_memory() -> None:
    """Glibc gives large blocks back to the system at once, and faults their pages in again at the next step."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            libc.mallopt(_M_MMAP_MAX, 0)
            libc.mallopt(_M_TRIM_THRESHOLD, _NEVER)


def _processor() -> str:
    return platform.processor() or platform.machine()


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
