"""A model of random weights, written once."""

import pytest

from tests.exported import export_tiny


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """Its folder."""
    return export_tiny(tmp_path_factory.mktemp("model") / "tiny")
