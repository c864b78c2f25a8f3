import json

import torch

from earvoice.bench.machine import describe, one_thread, resident_mib
from earvoice.bench.reference import ReferenceGemm


def test_the_description_is_json_and_names_no_person_or_host():
    about = json.loads(json.dumps(describe()))
    assert set(about) == {"date", "machine", "versions"}
    assert set(about["machine"]) == {"cpu", "cores", "system", "load_1min"}
    assert set(about["versions"]) == {"earvoice", "python", "torch", "numpy"}


def test_one_thread_and_back():
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_resident_memory_sees_what_is_touched():
    before = resident_mib()
    if before is None:  # a system that does not say
        return
    block = torch.ones(64 << 20, dtype=torch.uint8)  # too large for the allocator to recycle
    assert 56 < resident_mib() - before < 80
    assert int(block[0]) == 1


def test_the_reference_takes_time():
    assert 0 < ReferenceGemm().time_s() < 10
