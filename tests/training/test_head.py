"""Pooling and heads: what they compute, and that the places' contributions add up to it."""

import pytest
import torch
from torch import Tensor

from twinset.training.backbone import Features
from twinset.training.head import Attention, Average, ClassToken, GeM, Neck, Pool, head, pooling

WIDTH, DIM = 12, 5


def features(seed: int = 0) -> Features:
    """Three photos of 12 channels at 4 × 6 places, and class tokens."""
    draw = torch.Generator().manual_seed(seed)
    return Features(torch.randn(3, WIDTH, 4, 6, generator=draw), torch.randn(3, WIDTH, generator=draw))


def stirred(pool: Pool) -> Pool:
    """With parameters as they might be after training."""
    draw = torch.Generator().manual_seed(1)
    for parameter in pool.parameters():
        parameter.data += torch.rand(parameter.shape, generator=draw)
    return pool.eval()


@pytest.mark.parametrize("name", ["average", "gem", "attention"])
@pytest.mark.parametrize(("kind", "dim"), [("dense", DIM), ("bn", DIM), ("bn", 0)])
def test_contributions_average_to_the_output(name: str, kind: str, dim: int) -> None:
    """For every pooling and head, in inference mode and after training, to 1e-4 of the output."""
    pool, top = stirred(pooling(name, WIDTH)), head(kind, WIDTH, dim, 0.5)  # type: ignore[arg-type]
    for seed in range(5):  # running statistics of its own
        top.train()(pool(features(seed)).detach())
    top.eval()
    assert not isinstance(pool, ClassToken)
    with torch.inference_mode():
        output, patches = top(pool(features())), top(pool.contributions(features()).permute(0, 2, 3, 1))
    assert patches.shape == (3, 4, 6, dim or WIDTH)
    assert torch.allclose(patches.mean(dim=(1, 2)), output, atol=1e-4 * float(output.abs().max()), rtol=0)


def test_average_is_the_mean() -> None:
    """Over the places, channel by channel."""
    assert torch.allclose(Average()(features()), features().places.mean(dim=(2, 3)))


@pytest.mark.parametrize(("power", "expected"), [(1.0, 2.5), (2.0, 7.5**0.5), (60.0, 4 / 4 ** (1 / 60))])
def test_gem_goes_from_the_mean_to_the_largest(power: float, expected: float) -> None:
    """Power 1 is the mean, 2 the root of the mean square, a high one nearly the largest."""
    places = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 1, 2, 2)
    assert GeM(power)(Features(places, None)).item() == pytest.approx(expected, rel=1e-4)


def test_gem_computes_halves_in_full() -> None:
    """Large features in bfloat16 neither overflow nor lose the power's digits."""
    places = torch.full((1, 2, 3, 3), 300.0, dtype=torch.bfloat16)
    found = GeM(6.0)(Features(places, None))
    assert found.dtype == torch.float32
    assert torch.allclose(found, torch.tensor(300.0))


def test_gem_has_a_gradient_where_nothing_is_seen() -> None:
    """Places of zero everywhere leave the gradient finite, the power's too."""
    places = torch.zeros(1, 2, 3, 3, requires_grad=True)
    pool = GeM()
    pool(Features(places, None)).sum().backward()
    assert places.grad is not None
    assert pool.power.grad is not None
    assert bool(places.grad.isfinite().all() and pool.power.grad.isfinite())


def test_attention_begins_as_the_mean_and_learns_where_to_look() -> None:
    """Scores of zero weigh all places alike; a high score of one place leaves that one."""
    pool = Attention(WIDTH)
    assert torch.allclose(pool(features()), features().places.mean(dim=(2, 3)), atol=1e-6)
    seen = features()
    seen.places[:, 0, 1, 2] = 100.0
    pool.score.weight.data[0, 0] = 1.0
    assert torch.allclose(pool(seen), seen.places[:, :, 1, 2], atol=1e-4)


def test_the_class_token_is_taken_as_it_is() -> None:
    """It needs one, and says so."""
    given = features()
    assert given.cls is not None
    assert torch.equal(ClassToken()(given), given.cls)
    with pytest.raises(ValueError, match="no class token"):
        ClassToken()(Features(given.places, None))


def test_dropout_is_for_training() -> None:
    """In training mode it drops, in inference mode it does not."""
    top = head("dense", WIDTH, DIM, 0.5)
    x = torch.ones(64, WIDTH)
    assert not torch.equal(*(top.train()(x) for _ in range(2)))
    assert torch.equal(*(top.eval()(x) for _ in range(2)))


def test_the_neck_centres_and_does_not_shift() -> None:
    """In training its output has mean 0 and deviation 1; its shift stays 0, untrained."""
    top = Neck(WIDTH, DIM).train()
    out: Tensor = top(torch.randn(64, WIDTH) * 3 + 7)
    assert torch.allclose(out.mean(dim=0), torch.zeros(DIM), atol=1e-5)
    assert torch.allclose(out.std(dim=0, unbiased=False), torch.ones(DIM), atol=1e-3)
    assert [name for name, p in top.named_parameters() if not p.requires_grad] == ["norm.bias"]
