"""The interpreters that every contract of a session is checked on.

A system joins by adding a `Case` with its `tiny()`; nothing else has to be written.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pytest

from earvoice.models.frontend import FrontendConfig
from earvoice.policies import AlignAtt, HoldN, LocalAgreement, Policy, WaitK
from earvoice.session import Interpreter, Request
from earvoice.sessions.append import AppendInterpreter
from earvoice.sessions.window import WindowInterpreter
from earvoice.systems.fasst import Fasst
from earvoice.systems.jstar import SearchConfig
from earvoice.systems.llast import Llast
from earvoice.systems.lst import Lst, LstPromptConfig
from earvoice.testing import FakeInterpreter, loudness, scripted
from tests.array_sounds import Worn
from tests.systems.clasi_tiny import CLASI_CHANGE, tiny_clasi
from tests.tiny import conversation_tokenizer, fasst, jstar, llast, lst, tokenizer

TOLD = LstPromptConfig(before_speech="<s>{context}<sp_start>", after_speech="<sp_end>")


@dataclass(frozen=True)
class Case:
    """An interpreter under test: `make` is called once; `change` is a legal `update`."""

    name: str
    make: Callable[[], Interpreter]
    request: Request = Request("en", "de")
    change: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def interpreter(self) -> Interpreter:
        return self.make()

    def open(self):
        return self.interpreter.open(self.request)


def _brief(
    system: Fasst | Lst | Llast, policy: Policy | None = None
) -> AppendInterpreter | WindowInterpreter:
    """An untrained model may never end by itself: a few tokens a consultation are enough here."""
    interpreter = system.interpreter(tokenizer(), policy=policy)
    interpreter.settings = dataclasses.replace(interpreter.settings, max_tokens=8)
    return interpreter


WORDS = [(0.05, "Guten"), (0.4, "Tag,"), (0.41, "meine"), (1.7, "Damen"), (2.5, "und"), (9, "nie")]

GLASSES_BEAMS = FrontendConfig(directions=1, taps=33, mels=17, maps=2)

CASES: list[Case] = [
    Case("clasi", tiny_clasi, Request("en", "de", transcript=True), CLASI_CHANGE),
    Case("clasi-direct", lambda: tiny_clasi(seed=1, cot=False), change=CLASI_CHANGE),
    Case("clasi-small-window", lambda: tiny_clasi(seed=2, window_s=1.2), change=CLASI_CHANGE),
    Case("fake-loudness", lambda: FakeInterpreter(loudness()), change={"tgt_lang": "es"}),
    Case(
        "fake-drafts",
        lambda: FakeInterpreter(loudness(), policy=HoldN(2), drafts=True, chunk_samples=1600),
        change={"policy": HoldN(0)},
    ),
    Case(
        "fake-scripted-wait-k",
        lambda: FakeInterpreter(scripted(WORDS)),
        Request("en", "de", policy=WaitK(k=2, n=1)),
        change={"policy": WaitK(k=1, n=3)},
    ),
    Case(
        "fasst-wait-k",
        lambda: _brief(fasst()),
        Request("en", "de", policy=WaitK(k=2, n=2)),
        change={"policy": HoldN(1)},
    ),
    Case(
        "fasst-hold-n",
        lambda: _brief(fasst(faithful=True), HoldN(2)),
        change={"policy": WaitK(k=3, n=1)},
    ),
    Case(
        "fasst-waveform-offline",
        lambda: _brief(fasst("waveform", seed=1), WaitK(k=100)),
        change={"policy": WaitK(k=1, n=1)},
    ),
    Case(
        "fasst-local-agreement",
        lambda: _brief(fasst(seed=2), LocalAgreement()),
        change={"policy": LocalAgreement(3)},
    ),
    Case("lst-offline", lambda: _brief(lst()), change={"policy": HoldN(1)}),
    Case(
        "lst-waveform-wait-k",
        lambda: _brief(lst("waveform", seed=1)),
        Request("en", "de", policy=WaitK(k=2, n=2)),
        change={"policy": LocalAgreement()},
    ),
    Case(
        "lst-hold-n",
        lambda: _brief(lst(seed=2, beams=1), HoldN(2)),
        change={"policy": WaitK(k=3, n=1)},
    ),
    Case(
        "lst-local-agreement",
        lambda: _brief(lst(seed=3, context_words=4, prompt=TOLD), LocalAgreement(2)),
        change={"policy": HoldN(0)},
    ),
    Case(
        "lst-align-att",
        lambda: _brief(lst(seed=4), AlignAtt(frames=2, layer=1)),
        change={"policy": AlignAtt(frames=3)},
    ),
    Case(
        "llast-align-att",
        lambda: _brief(llast(seed=1), AlignAtt(frames=8)),
        change={"policy": LocalAgreement(2)},
    ),
    Case(
        "lst-waveform-align-att-greedy",
        lambda: _brief(lst("waveform", seed=5, beams=1)),
        Request("en", "de", policy=AlignAtt(layer=0)),
        change={"policy": WaitK(k=1, n=1)},
    ),
    Case(
        "jstar-beam",
        lambda: jstar().interpreter(conversation_tokenizer()),
        Request("en", "es", transcript=True),
        change={"transcript": False},
    ),
    Case(
        "jstar-glasses",
        lambda: Worn(jstar(frontend=GLASSES_BEAMS).interpreter(conversation_tokenizer())),
        Request("en", "es", transcript=True),
        change={"transcript": False},
    ),
    Case(
        "jstar-greedy",
        lambda: jstar(
            seed=1,
            search_asr=SearchConfig(beams=1, max_symbols=2),
            search_st=SearchConfig(beams=1, max_symbols=2),
        ).interpreter(conversation_tokenizer()),
        Request("en", "es"),
        change={"transcript": True},
    ),
]


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request) -> Case:
    return request.param
