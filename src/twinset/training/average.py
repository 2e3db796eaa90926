"""The exponential moving average of a net's weights, which is often the better net."""

import copy

import torch
from torch import nn


class Average:
    """A copy of a net whose weights follow it: `average ← d · average + (1 - d) · weights`.

    After `n` updates `d` is `(1 + n) / (10 + n)`, at most `decay`, so that a short run does not end where it began.

    >>> net = nn.Linear(1, 1, bias=False)
    >>> average = Average(net, decay=0.75)
    >>> with torch.no_grad(): _ = net.weight.add_(4)
    >>> average.update(net, 1000)
    >>> round((net.weight - average.net.weight).item(), 4)
    3.0
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.net = copy.deepcopy(net).requires_grad_(False)
        self._decay = decay

    def update(self, net: nn.Module, updates: int) -> None:
        """Follows the net by one step, after so many before; counters are taken over as they are."""
        share = 1 - min(self._decay, (1 + updates) / (10 + updates))
        theirs = net.state_dict()
        mine = {tensor.data_ptr(): name for name, tensor in self.net.state_dict().items()}  # tied weights once
        with torch.no_grad():
            for name in mine.values():
                average, other = self.net.state_dict()[name], theirs[name]
                if average.dtype.is_floating_point:
                    average.lerp_(other, share)
                else:
                    average.copy_(other)
