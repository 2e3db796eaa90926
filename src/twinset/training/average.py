"""The exponential moving average of a net's weights, which is often the better net."""

import copy

import torch
from torch import nn


class Average:
    """A copy of a net whose weights follow it: `average ← decay · average + (1 - decay) · weights`.

    >>> net = nn.Linear(1, 1, bias=False)
    >>> average = Average(net, decay=0.75)
    >>> with torch.no_grad(): _ = net.weight.add_(4)
    >>> average.update(net)
    >>> round((net.weight - average.net.weight).item(), 4)
    3.0
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.net = copy.deepcopy(net).requires_grad_(False)
        self._decay = decay

    def update(self, net: nn.Module) -> None:
        """Follows the net by one step; counters are taken over as they are."""
        with torch.no_grad():
            for mine, other in zip(self.net.state_dict().values(), net.state_dict().values(), strict=True):
                if mine.dtype.is_floating_point:
                    mine.lerp_(other, 1 - self._decay)
                else:
                    mine.copy_(other)
