"""Counts and shares in words."""


def queries(count: int) -> str:
    """So many queries.

    >>> queries(1), queries(1200)
    ('1 query', '1,200 queries')
    """
    return f"{count:,} {'query' if count == 1 else 'queries'}"


def percent(share: float) -> str:
    """A share (0-1) for reading.

    >>> percent(0.7321)
    '73.2 %'
    """
    return f"{100 * share:.1f} %"
