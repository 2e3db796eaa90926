"""Trains a net and a loss of your own, goes on with a run that was cut, and exports a bundle.

.venv/bin/python examples/own_net.py photos.csv own.run own.bundle      (needs the extra `train`)
"""

import sys
from pathlib import Path

from pytorch_metric_learning.losses import MultiSimilarityLoss
from torch import Tensor, nn

from twinset.training import Recipe, export_run, fit


class Small(nn.Module):
    """uint8 photos (N, H, W, 3) → outputs (N, 64), of any length."""

    def __init__(self) -> None:
        super().__init__()
        convolutions = [nn.Conv2d(3, 32, 5, 2), nn.ReLU(), nn.Conv2d(32, 64, 5, 2), nn.ReLU()]
        self.layers = nn.Sequential(*convolutions, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 64))

    def forward(self, photos: Tensor) -> Tensor:
        """Outputs (N, 64)."""
        return self.layers(photos.permute(0, 3, 1, 2).float() / 255)


if len(sys.argv) != 4:
    sys.exit(__doc__)
manifest, run, bundle = (Path(argument) for argument in sys.argv[1:])
recipe = Recipe("own", size=64, sampler="pairs", batch=16, augment="light", rate=1e-3, epochs=5)
fitted = fit([manifest], run, recipe, net=Small(), loss=MultiSimilarityLoss(), resume=run.exists())
print(f"recall@1 {fitted.recall:.3f} after {fitted.steps} steps; best {fitted.best:.3f}")
exported = export_run(run, bundle, name="small", licence="yours", net=Small())
print(f"{bundle}: {exported.bundle.facts.dim} dimensions, equal to the net to a cosine of {exported.cosine:.6f}")
