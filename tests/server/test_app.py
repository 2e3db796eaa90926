"""The application by itself: what it asks of its process."""

from pathlib import Path

from starlette.testclient import TestClient
from threadpoolctl import threadpool_info

from shops import build, shop
from twinset.server.app import create_app


def threads() -> dict[str, int]:
    """How many threads each library takes for a product of matrices."""
    return {found["filepath"]: found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"}


def test_a_request_takes_one_thread_for_its_products(tmp_path: Path) -> None:
    """As long as it serves: requests beside each other would wait for each other's threads."""
    before = threads()
    assert before
    with build(tmp_path / "c", shop(tmp_path / "shop", items=2, views=1)) as catalogue:
        with TestClient(create_app(catalogue), base_url="http://127.0.0.1"):
            during = threads()
            assert {during[library] for library in before} == {1}
        after = threads()
        assert {library: after[library] for library in before} == before
