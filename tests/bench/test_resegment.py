"""`earvoice bench resegment`: the same words land in the same segments, and it says so."""

import json
import random
import sys

import pytest

from earvoice.bench.resegment import made_talks
from earvoice.bench.resegment_plain import plain_segmenter
from earvoice.cli import main
from earvoice.errors import EarvoiceError, UsageError
from earvoice.eval.longform import soft_segmenter

SMALL = ("--talks", "2", "--segments", "11", "--rounds", "1", "--json")
WORDS = "das ist ein haus . , garten ab ba abc über -".split()


def bench(capsys, *arguments):
    code = main(["bench", "resegment", *SMALL, *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_json(capsys):
    code, out, _ = bench(capsys)
    found = json.loads(out)
    assert code == 0
    assert found["identical"] is True
    assert (found["talks"], found["segments"]) == (2, 11)
    assert found["speedup"] == pytest.approx(found["plain_s"] / found["ours_s"], rel=0.1)


def test_material_is_about_an_hour_and_depends_on_the_seed_alone():
    talks = made_talks(5, 468, 1)
    assert [len(talk.references) for talk in talks] == [94, 94, 94, 93, 93]
    words = sum(len(line) for talk in talks for line in talk.references)
    assert 7000 < words < 8500  # the five talks of ACL 60/60's German dev set have 7,705
    assert talks == made_talks(5, 468, 1)
    assert talks != made_talks(5, 468, 2)


@pytest.mark.parametrize("unit", ["word", "char"])
def test_plain_loops_equal_whole_rows(unit):
    rng = random.Random(4)
    pool = WORDS if unit == "word" else list("我你的。，A")
    for _ in range(100):
        references = [rng.choices(pool, k=rng.randint(0, 6)) for _ in range(rng.randint(1, 5))]
        written = [word for line in references for word in line if rng.random() < 0.7]
        for _ in range(rng.randint(0, 6)):
            written.insert(rng.randint(0, len(written)), rng.choice(pool))
        assert plain_segmenter(references, written, unit) == soft_segmenter(
            references, written, unit
        )


def test_an_environment_without_the_peer_is_named(capsys):
    code, _, err = bench(capsys, "--against", sys.executable)
    assert code == EarvoiceError.exit_code
    assert "omnisteval" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--against", "/no/such/python"), "there is no file /no/such/python"),
        (("--talks", "0"), "--talks is 0"),
        (("--segments", "1"), "--segments is 1, it must be 2 to"),
    ],
)
def test_wrong_arguments(capsys, arguments, words):
    code, _, err = bench(capsys, *arguments)
    assert code == UsageError.exit_code
    assert words in err
