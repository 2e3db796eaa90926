"""What an audit finds: findings, how much it could see, and their JSON."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

Kind = Literal["same_product", "wrong_item", "disagree", "leakage"]
Evidence = Literal["picture", "embedding", "split"]
"""Near-identical pictures; similarity of embeddings; what the manifest says of its splits."""

KINDS: Final[Mapping[Kind, str]] = {
    "same_product": "one product under several ids",
    "wrong_item": "photos filed under another item",
    "disagree": "items whose photos show different products",
    "leakage": "the same picture or product in several splits",
}


@dataclass(frozen=True, slots=True)
class Pair:
    """A photo, and the one that speaks against it; each with its item.

    `own_path` is the nearest other photo of the photo's own item, where that matters.
    """

    path: str
    item_id: str
    other_path: str
    other_item_id: str
    own_path: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault that is likely: what speaks for it, and what would mend it.

    `score` orders the findings of a kind, strongest first: of pictures and splits it is 1, of embeddings how far
    the evidence lies above the kind's limit, in differences of cosines.
    """

    kind: Kind
    evidence: Evidence
    pairs: tuple[Pair, ...]
    score: float
    why: str
    mend: str

    @property
    def photos(self) -> tuple[str, ...]:
        """The paths of the photos that it is about, each once."""
        return tuple(dict.fromkeys(path for pair in self.pairs for path in (pair.path, pair.other_path) if path))

    @property
    def items(self) -> tuple[str, ...]:
        """The ids of the items that it is about, each once."""
        names = (name for pair in self.pairs for name in (pair.item_id, pair.other_item_id) if name)
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True, slots=True)
class Limit:
    """From where on evidence by embedding is told, and how good it is on this manifest.

    `looked_at` photos or items had evidence, `planted` faults were made of them on paper. `false_alarms` is the
    share (0-1) of faultless ones expected above `limit`, `power` the share of planted faults above it. Without
    enough of both, `limit` is None and nothing is told by embedding.
    """

    kind: Kind
    compared: str
    looked_at: int
    planted: int
    limit: float | None
    false_alarms: float
    power: float


@dataclass(frozen=True, slots=True)
class Audit:
    """The findings, kind by kind, strongest first; the limits they were told by; and notes on what was not seen."""

    photos: int
    items: int
    findings: tuple[Finding, ...]
    limits: tuple[Limit, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def counts(self) -> dict[str, int]:
        """How many findings there are of each kind."""
        found = Counter(finding.kind for finding in self.findings)
        return {kind: found[kind] for kind in KINDS}

    def to_json(self) -> dict[str, Any]:
        """`data audit --json`, and `audit.json`."""
        findings = [
            asdict(finding) | {"photos": list(finding.photos), "items": list(finding.items)}
            for finding in self.findings
        ]
        return {"ok": self.ok, "counts": self.counts()} | asdict(self) | {"findings": findings}
