import subprocess
import sys

import torch
from torch import nn

from earvoice.models.blank import blank_weights
from earvoice.systems import build
from tests.tiny import fasst, fasst_config


def test_modules_have_shapes_and_no_values():
    with blank_weights():
        layer = nn.Linear(3, 4)
    assert layer.weight.shape == (4, 3)
    assert layer.weight.is_meta


def test_weights_come_in_as_they_are():
    system = fasst()
    with blank_weights():
        blank = build(fasst_config())
    blank.load_state_dict(system.state_dict(), assign=True)
    samples = torch.randn(1, 2 * system.segment_samples)
    assert torch.equal(blank.eval()(samples), system(samples))


def test_nothing_changes_outside():
    torch.manual_seed(0)
    before = nn.Linear(3, 4).weight.detach().clone()
    with blank_weights():
        nn.Linear(3, 4)
    torch.manual_seed(0)
    assert torch.equal(nn.Linear(3, 4).weight, before)


def test_real_tensors_are_still_filled():
    with blank_weights():
        real = torch.zeros(5, device="cpu")
        nn.init.ones_(real)
        real.fill_(2.0)
    assert real.tolist() == [2.0] * 5


def test_the_compiler_is_not_imported():
    """Two seconds of every start, if it is."""
    code = (
        "import sys\n"
        "from earvoice.models.blank import blank_weights\n"
        "from earvoice.systems import build\n"
        "from earvoice.systems.fasst import FasstConfig\n"
        "with blank_weights(): build(FasstConfig())\n"
        "sys.exit('torch._dynamo' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=100).returncode == 0
