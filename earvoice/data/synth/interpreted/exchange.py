"""A derivation with other noun phrases in it; the marks of everything else stay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from earvoice.data.synth.grammar.sentence import Derivation, Statement, Template
from earvoice.data.synth.grammar.tree import NP, Adverbial, Clause, Sub

Choose = Callable[[NP], NP]


def exchanged(item: Derivation, choose: Choose) -> Derivation:
    """The derivation with every noun phrase replaced by `choose` of it (often itself)."""
    if isinstance(item, Template):
        slots = tuple(
            choose(slot) if isinstance(slot, NP) else _clause(slot, choose) for slot in item.slots
        )
        return replace(item, slots=slots)
    if not isinstance(item, Statement):
        return replace(item, clause=_clause(item.clause, choose))
    return replace(
        item,
        clause=_clause(item.clause, choose),
        leading=_sub(item.leading, choose),
        second=_clause(item.second, choose) if item.second else None,
    )


def _clause(item: Clause, choose: Choose) -> Clause:
    predicate = item.predicate
    if predicate is not None and predicate.than is not None:
        predicate = replace(predicate, than=choose(predicate.than))
    return replace(
        item,
        subject=choose(item.subject),
        args=tuple((slot, choose(np)) for slot, np in item.args),
        adverbials=tuple(_adverbial(extra, choose) for extra in item.adverbials),
        front=_adverbial(item.front, choose) if item.front else None,
        predicate=predicate,
        sub=_sub(item.sub, choose),
    )


def _adverbial(item: Adverbial, choose: Choose) -> Adverbial:
    return replace(item, np=choose(item.np)) if item.np and item.kind != "time" else item


def _sub(item: Sub | None, choose: Choose) -> Sub | None:
    return replace(item, clause=_clause(item.clause, choose)) if item else None
