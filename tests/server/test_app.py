"""The application by itself: what it asks of its process."""

from pathlib import Path

from starlette.testclient import TestClient
from threadpoolctl import threadpool_info

from shops import build, shop
from twinset.server.app import create_app


def threads() -> list[int]:
    """How many threads numpy takes for a product of matrices; what others bring is another process's."""
    found = [one for one in threadpool_info() if one["user_api"] == "blas" and "numpy" in one["filepath"]]
    return [one["num_threads"] for one in found]


def test_a_request_takes_one_thread_for_its_products(tmp_path: Path) -> None:
    """As long as it serves: requests beside each other would wait for each other's threads."""
    before = threads()
    assert before
    with build(tmp_path / "c", shop(tmp_path / "shop", items=2, views=1)) as catalogue:
        with TestClient(create_app(catalogue), base_url="http://127.0.0.1"):
            assert threads() == [1]
        assert threads() == before
