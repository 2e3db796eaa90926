"""Training the embedding: the only room that knows torch."""

from twinset.training.fit import Fitted, fit
from twinset.training.losses import Loss
from twinset.training.recipe import Recipe
from twinset.training.recipe import load as load_recipe
from twinset.training.release import export_run
from twinset.training.seeds import Repeated, repeat

__all__ = ["Fitted", "Loss", "Recipe", "Repeated", "export_run", "fit", "load_recipe", "repeat"]
