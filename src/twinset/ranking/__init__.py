"""Exact rankings: for every query the ranks of its right answers and the first of its list.

Among equal scores a right answer ranks *last*, so that a constant embedding scores 0, and not by luck. Products in
float32 pick what may matter, float64 settles it: how the work is cut, and where a photo stands, change nothing.
"""

from twinset.ranking.products import Ints, Products
from twinset.ranking.search import SAME_SCORE, TOP, Ranking, rank

__all__ = ["SAME_SCORE", "TOP", "Ints", "Products", "Ranking", "rank"]
