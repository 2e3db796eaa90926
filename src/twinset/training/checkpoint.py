"""A run's state ↔ one safetensors file with JSON in its header, written whole; nothing is ever unpickled."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as safetensors
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import Optimizer

from twinset.errors import DivergedError, IntegrityError, PathError, disk_errors
from twinset.files import write_whole
from twinset.training.health import Reading

_STATE: Final = "state"
_OPTIMIZER: Final = "optimizer"


@dataclass(slots=True)
class State:
    """What a run knows besides its tensors: where it is, and its validation recall@1 (0-1) so far.

    `stale` counts evaluations since the best; `findings` are the health guard's, `readings` not yet written down.
    """

    step: int = 0
    photos: int = 0
    recall: float | None = None
    best: float | None = None
    best_step: int = 0
    stale: int = 0
    seconds: float = 0.0
    done: bool = False
    findings: list[dict[str, str]] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    scaler: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kept:
    """Everything of a run that changes from step to step: modules by name, the optimizer, fp16's scaler."""

    modules: Mapping[str, nn.Module]
    optimizer: Optimizer
    scaler: GradScaler | None

    def save(self, path: Path, state: State) -> None:
        """Writes a checkpoint; `state` gets the scaler's.

        Raises:
            DivergedError: a weight is no finite number; the checkpoint before stays.

        """
        if self.scaler is not None:
            state.scaler = self.scaler.state_dict()
        tensors = {
            f"{prefix}.{name}": tensor
            for prefix, module in self.modules.items()
            for name, tensor in module.state_dict().items()
        }
        for name, tensor in tensors.items():
            if tensor.dtype.is_floating_point and not torch.isfinite(tensor).all():
                raise DivergedError(
                    f"the weights {name} are no numbers any more at step {state.step:,}",
                    "start anew with rate at a tenth, or precision = f32",
                )
        save(path, tensors | _remembered(self.optimizer), asdict(state))

    def restore(self, path: Path) -> State:
        """Reads a checkpoint back into the modules and the optimizer.

        Raises:
            IntegrityError: it is damaged, or belongs to another net.

        """
        tensors, facts = load(path)
        try:
            for prefix, module in self.modules.items():
                module.load_state_dict(_part(prefix, tensors))
            _remind(self.optimizer, _part(_OPTIMIZER, tensors))
            state = State(**facts | {"readings": [Reading(**reading) for reading in facts["readings"]]})
        except (RuntimeError, ValueError, TypeError, KeyError) as error:
            raise IntegrityError(f"{path} belongs to another net: {error}", "resume with the same net") from error
        if self.scaler is not None:
            self.scaler.load_state_dict(state.scaler)
        return state


def save(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Writes named tensors and JSON; whoever reads sees the file before or this one.

    Raises:
        DiskFullError, ResourceError: it cannot be written, by the reason.

    """
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with disk_errors(path):
        write_whole(path, safetensors(plain, {_STATE: json.dumps(state)}))


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the JSON of a file.

    Raises:
        PathError: there is no such file.
        IntegrityError: it is no checkpoint of ours, or damaged.

    """
    if not path.is_file():
        raise PathError(f"there is no checkpoint {path}", "name the folder of a run that has been trained")
    try:
        with safe_open(path, "pt") as file:
            state = json.loads((file.metadata() or {})[_STATE])
            return {name: file.get_tensor(name) for name in file.keys()}, state  # noqa: SIM118 - it is no dict
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise IntegrityError(f"{path} is no checkpoint, or damaged: {error}", "start the run anew") from error


def done(path: Path) -> bool:
    """Whether there is a checkpoint, of a run that has come to its end.

    Raises:
        IntegrityError: it is damaged.

    """
    return path.is_file() and bool(load(path)[1].get("done"))


def _part(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def _remembered(optimizer: Optimizer) -> dict[str, Tensor]:
    return {
        f"{_OPTIMIZER}.{number}.{what}": torch.as_tensor(value)
        for number, entry in optimizer.state_dict()["state"].items()
        for what, value in entry.items()
    }


def _remind(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    remembered: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, _, what = name.partition(".")
        remembered.setdefault(int(number), {})[what] = tensor
    optimizer.load_state_dict({"state": remembered, "param_groups": optimizer.state_dict()["param_groups"]})
