import pytest

from earvoice.bench.model import choose


@pytest.fixture(scope="session")
def subject():
    return choose(None, "tiny", seed=1, rows=4)
