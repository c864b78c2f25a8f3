"""Quality and lag of a test set, on scripted sessions whose figures are known."""

from dataclasses import dataclass

import numpy as np
import pytest
from sacrebleu.metrics import BLEU

from earvoice.bench.quality import Item, bleu_with_interval, laal_ms, measure
from earvoice.eval.hypotheses import Hypothesis
from earvoice.policies import WaitK
from earvoice.session import Request
from earvoice.testing import FakeInterpreter, scripted
from earvoice.units import SAMPLE_RATE


@dataclass(frozen=True)
class Scripted(FakeInterpreter):
    """With the step that a model's interpreter has."""

    @property
    def segment_samples(self):
        return self.chunk_samples


def item(seconds, reference):
    samples = np.zeros(round(seconds * SAMPLE_RATE), dtype=np.float32)
    return Item("one", "none", samples, reference)


def measured(words, reference, seconds=3.0, tgt_lang="de", **changes):
    interpreter = Scripted(scripted(words), tgt_langs=("de", "zh"), chunk_samples=16000, **changes)
    request = Request("en", tgt_lang)
    return measure(interpreter, [item(seconds, reference)], request, WaitK(1, 9), "sentences")


def test_a_perfect_text_has_100_and_the_lag_of_its_chunks():
    words = [(0.5, "eins"), (1.5, "zwei"), (2.5, "drei"), (2.6, "vier")]
    found = measured(words, "eins zwei drei vier")
    assert found.bleu == 100.0
    # delays 1, 2, 3, 3 s; an ideal one is 3 s / 4 words = 0.75 s a word: (1 + 1.25 + 1.5) / 3
    assert found.laal_ms == pytest.approx((1000 + 1250 + 1500) / 3, abs=0.1)


def test_chinese_is_cut_into_characters():
    words = [(0.5, "我们"), (1.5, "今天"), (2.5, "开会")]
    found = measured(words, "我们今天开会", tgt_lang="zh")
    assert found.bleu == 100.0
    # six characters at 1, 1, 2, 2, 3, 3 s, half a second each; up to the first at the end
    assert found.laal_ms == pytest.approx((1000 + 500 + 1000 + 500 + 1000) / 5, abs=0.1)


def test_the_figure_is_sacrebleus_and_inside_its_interval():
    said = [f"das ist Satz {number} von vielen anderen" for number in range(20)]
    wanted = [text.replace("anderen", "mehr") if i % 3 else text for i, text in enumerate(said)]
    score, low, high = bleu_with_interval(said, wanted, "de", 1)
    assert score == round(BLEU(tokenize="13a").corpus_score(said, [wanted]).score, 2)
    assert low < score < high
    assert bleu_with_interval(said, wanted, "de", 1) == (score, low, high)


def test_nothing_written_has_no_lag():
    assert laal_ms(Hypothesis("x", "word", (), (), 1_000_000, "x"), "etwas") is None
