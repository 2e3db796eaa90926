"""What is likely wrong with a manifest: doubled products, misfiled photos, items that disagree, leakage."""

from twinset.audit.findings import KINDS, Audit, Finding, Limit, Pair
from twinset.audit.run import RATE, audit
from twinset.audit.write import write

__all__ = ["KINDS", "RATE", "Audit", "Finding", "Limit", "Pair", "audit", "write"]
