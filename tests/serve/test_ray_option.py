"""`earvoice serve --ray` where Ray is not installed, and Ray where nobody asked for it."""

import sys

import pytest

from earvoice.cli import main
from earvoice.config import parse
from earvoice.errors import ConfigError
from earvoice.serve.settings import ServeSettings
from tests.test_layers import imports_of, name_of, trees

LAUNCHER = "earvoice.serve.cluster.ray_launcher"


def test_without_ray_it_says_in_one_line_what_brings_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, LAUNCHER, raising=False)
    assert main(["serve", "--ray"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "earvoice: error: ray is not installed; pip install 'earvoice[ray]' brings it"


def test_only_the_launcher_imports_ray_and_only_the_option_imports_the_launcher():
    users, callers = set(), set()
    for file, tree in trees():
        if any(module.partition(".")[0] == "ray" for module in imports_of(tree)):
            users.add(name_of(file))
        assert not any(
            module.startswith(LAUNCHER) for module in imports_of(tree, at_import_only=True)
        )
        if any(module.startswith(LAUNCHER) for module in imports_of(tree)):
            callers.add(name_of(file))
    assert users == {"serve/cluster/ray_launcher.py"}
    assert callers == {"cli/serve.py"}


def test_bounds_that_contradict_each_other_are_refused():
    with pytest.raises(ConfigError, match="max_replicas is 1, it must be replicas or more"):
        parse({"ray": {"replicas": 2, "max_replicas": 1}}, ServeSettings, "settings")
