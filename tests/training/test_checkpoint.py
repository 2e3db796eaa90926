"""Checkpoints: whole or not at all, restored bit for bit, nothing unpickled."""

import pickle
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim import Adam

from twinset.errors import IntegrityError, PathError
from twinset.training.average import Average
from twinset.training.checkpoint import Kept, State, load, save


def training(seed: int) -> tuple[nn.Module, Adam, Average]:
    """A small net with batch norm, its optimizer and its average."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 2))
    return net, Adam(net.parameters(), lr=0.1), Average(net, 0.9)


def step(net: nn.Module, optimizer: Adam, average: Average, number: int) -> None:
    """One step on numbers of its own."""
    photos = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(number))
    net(photos).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    average.update(net, number)


def kept(net: nn.Module, optimizer: Adam, average: Average) -> Kept:
    """What goes into the file."""
    return Kept({"net": net, "average": average.net}, optimizer, None)


def test_a_restored_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    """Weights, batch statistics, the optimizer's memory and the average: six steps are three and three."""
    straight, cut, fresh = training(0), training(0), training(1)
    for number in range(6):
        step(*straight, number)
    for number in range(3):
        step(*cut, number)
    kept(*cut).save(tmp_path / "last", State(step=3, best=0.5, findings=[{"code": "x"}]))
    assert kept(*fresh).restore(tmp_path / "last") == State(step=3, best=0.5, findings=[{"code": "x"}])
    for number in range(3, 6):
        step(*fresh, number)
    for mine, other in zip((fresh[0], fresh[2].net), (straight[0], straight[2].net), strict=True):
        for name, tensor in mine.state_dict().items():
            assert torch.equal(tensor, other.state_dict()[name]), name


def test_tensors_keep_their_type_and_value(tmp_path: Path) -> None:
    """Shared, strided and half-precision tensors too."""
    shared = torch.arange(6.0)
    tensors = {"a": shared, "b": shared, "c": torch.ones(2, 3).T, "d": torch.ones(3, dtype=torch.bfloat16)}
    save(tmp_path / "f", tensors, {"step": 1})
    found, state = load(tmp_path / "f")
    assert state == {"step": 1}
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_another_net_is_refused(tmp_path: Path) -> None:
    """Missing and unexpected names, and other shapes."""
    net, optimizer, average = training(0)
    kept(net, optimizer, average).save(tmp_path / "last", State())
    other = nn.Linear(2, 2)
    with pytest.raises(IntegrityError, match="belongs to another net"):
        Kept({"net": other}, Adam(other.parameters()), None).restore(tmp_path / "last")


@pytest.mark.parametrize("damage", ["pickle", "cut", "empty", "foreign"])
def test_damaged_and_foreign_files_are_refused(damage: str, tmp_path: Path) -> None:
    """No pickle is opened, no half file believed."""
    path = tmp_path / "last"
    save(path, {"a": torch.ones(100)}, {"step": 1})
    whole = path.read_bytes()
    if damage == "foreign":
        from safetensors.torch import save_file

        save_file({"a": torch.ones(1)}, path)
    else:
        path.write_bytes({"pickle": pickle.dumps(State()), "cut": whole[:-9], "empty": b""}[damage])
    with pytest.raises(IntegrityError, match="is no checkpoint, or damaged"):
        load(path)


def test_a_missing_checkpoint_is_bad_input(tmp_path: Path) -> None:
    """The error names the file."""
    with pytest.raises(PathError, match=r"there is no checkpoint .*last"):
        load(tmp_path / "last")
