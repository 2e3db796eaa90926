"""A server asked from Python: the names that others use (extra `client`)."""

from twinset.client.blocking import Client
from twinset.client.waiting import AsyncClient

__all__ = ["AsyncClient", "Client"]
