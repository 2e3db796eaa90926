"""What the words of a recipe stand for: net, sampler, loss, optimizer, device and precision."""

from collections.abc import Sequence

from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn
from torch.optim import Adam, AdamW, Optimizer

from twinset.errors import UsageError
from twinset.preprocess import Preprocess
from twinset.training.losses import Contrast, InfoNCE, Loss, TripletLoss
from twinset.training.net import Built, build
from twinset.training.recipe import Recipe
from twinset.training.sampler import Pairs, Sampler, Triplets
from twinset.training.sources import Part, Sources


def net_of(recipe: Recipe, own: nn.Module | None) -> tuple[nn.Module, Preprocess]:
    """The recipe's net, or one of the caller's, and how photos are prepared for it.

    Raises:
        UsageError: the recipe names no size, and a net of the caller's does not tell one.

    """
    if own is None:
        net = build(recipe)
        return net, net.preprocess
    if isinstance(own, Built):
        return own, own.preprocess
    if not recipe.size:
        raise UsageError("size = 0 leaves a net of your own without a size", "set size, for example 224")
    return own, Preprocess(recipe.size, fit=recipe.fit)


def sampler_of(recipe: Recipe, parts: Sequence[Part]) -> Sampler:
    """What draws the batches."""
    if recipe.sampler == "sources":
        return Sources(parts, recipe.batch, recipe.seed)
    kind = Triplets if recipe.sampler == "triplets" else Pairs
    return kind([photo for part in parts for photo in part.photos], recipe.batch, recipe.seed)


def triplet_loss_of(recipe: Recipe) -> TripletLoss:
    """The triplet loss, also as the measure of how many triplets violate the margin."""
    return TripletLoss(recipe.margin, normalise=recipe.normalise, squared=recipe.squared)


def loss_of(recipe: Recipe) -> Loss:
    """The loss."""
    triplet = triplet_loss_of(recipe)
    if recipe.loss == "triplet":
        return triplet
    return Contrast(InfoNCE(recipe.temperature), triplet, recipe.triplet_weight)


def optimizer_of(recipe: Recipe, net: nn.Module, loss: Loss) -> Optimizer:
    """Adam, with decoupled decay where the recipe has some; each group knows its `base` rate.

    Raises:
        UsageError: the net has no trainable parameter.

    """
    backbone, others = net.groups() if isinstance(net, Built) else ([], list(net.parameters()))
    if isinstance(loss, nn.Module):
        others = [*others, *loss.parameters()]
    rates = ((backbone, recipe.rate * recipe.backbone_rate), (others, recipe.rate))
    groups = [
        {"params": trainable, "lr": rate, "base": rate}
        for parameters, rate in rates
        if (trainable := [parameter for parameter in parameters if parameter.requires_grad])
    ]
    if not groups:
        raise UsageError("the net has no trainable parameter", "set requires_grad on some")
    if recipe.weight_decay:
        return AdamW(groups, weight_decay=recipe.weight_decay)
    return Adam(groups)


def accelerator_of(recipe: Recipe) -> Accelerator:
    """The device, a GPU where there is one, and the precision that is asked for.

    Raises:
        UsageError: this machine cannot compute in it.

    """
    AcceleratorState._reset_state()  # noqa: SLF001 - it keeps one precision a process; this run may ask for another
    try:
        return Accelerator(
            mixed_precision="no" if recipe.precision == "f32" else recipe.precision,
            gradient_accumulation_steps=recipe.accumulate,
        )
    except (ValueError, RuntimeError) as error:
        raise UsageError(f"precision = {recipe.precision!r}: {error}", "use f32, or bf16") from error
