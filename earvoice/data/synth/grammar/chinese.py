"""Chinese linearisation: time, place and manner before the verb, what modifies before its noun.

A clause is: time, subject, time, 一 or 就, negation and auxiliary, company, means, place, manner,
the verb's pattern with its complements, how long or how often. What English says after the main
clause with when, if, before and in order to comes first.
"""

from __future__ import annotations

from collections.abc import Sequence

from earvoice.data.synth.grammar.chinese_adverbials import Placed, placed
from earvoice.data.synth.grammar.chinese_phrases import classes_of, plain_head
from earvoice.data.synth.grammar.chinese_words import chinese_adjective, chinese_verb
from earvoice.data.synth.grammar.tree import COMMA, NP, Clause, Mark, Sub, Token, words

_AUXILIARIES = {
    "F": "会", "would": "会", "can": "能", "could": "可以", "must": "必须", "should": "应该",
    "want": "想", "would like": "很想", "had to": "不得不", "wanted": "本来 想",
}  # fmt: skip
_OPENERS = {
    "However,": "不过 ,", "Therefore,": "因此 ,", "First,": "首先 ,", "After that,": "之后 ,",
    "Then": "然后 ,", "Finally,": "最后 ,", "Unfortunately,": "可惜 ,", "Fortunately,": "幸好 ,",
    "Of course,": "当然 ,", "In addition,": "此外 ,", "For example,": "例如 ,", "Perhaps": "也许",
}  # fmt: skip
_PREPOSED = frozenset(("when", "as soon as", "before", "if", "in order to"))
_ASKED = {"whether": "是否", "why": "为什么", "when?": "什么时候"}
_PAST = frozenset(("S", "R", "had to", "wanted"))
_IMPERSONAL = {"important": "重要 的 是", "possible": "有可能", "obvious": "很 明显 ,"}


def opener(english: tuple[str, ...], mark: Mark) -> list[Token]:
    """A sentence opener."""
    return _said(_OPENERS[" ".join(english)], mark)


def _said(text: str, *marks: Mark) -> list[Token]:
    return [COMMA if word == "," else (word, marks) for word in text.split()]


def noun_phrase(np: NP) -> list[Token]:
    """Words of a noun phrase; its relative clause comes first, with 的."""
    out: list[Token] = []
    if np.relative:
        out = [*clause(np.relative.clause), ("的", (np.relative,))]
    return out + plain_head(np)


def clause(item: Clause, insert: Sequence[Token] = (), subject: bool = True) -> list[Token]:
    """A clause with the sub-clause that hangs on it.

    `insert` stands between subject and auxiliary (就, 一, 是否). Without `subject` it is a verb
    phrase, as after 决定.
    """
    before = _before(item.sub) if item.sub and item.sub.kind in _PREPOSED else []
    if item.sub:
        insert = [*main_insert(item.sub), *insert]
    if item.predicate is not None and item.subject.pronoun and item.subject.pronoun.en == "it":
        out = _said(_IMPERSONAL[item.predicate.adjective.en], item.predicate)
    else:
        out = _plain(item, list(insert), subject)
    return before + out + (_after(item) if item.sub and not before else [])


def _plain(item: Clause, insert: list[Token], subject: bool) -> list[Token]:
    """The clause without what hangs on it."""
    front = placed(item.front) if item.front else Placed(())
    extras = [(extra.kind, placed(extra)) for extra in item.adverbials]
    out: list[Token] = list(front.before)
    if subject and item.gap != "subject":
        out += noun_phrase(item.subject)
    for kind, extra in extras:
        out += extra.before if kind == "time" else ()
    out += insert
    after = [*front.after, *(token for _, extra in extras for token in extra.after)]
    if item.predicate is not None:
        return out + _predicate(item)
    middle = [
        token
        for wanted in ("place", "manner")
        for kind, extra in extras
        if kind == wanted
        for token in extra.before
    ]
    auxiliary = _auxiliary(item) if subject else []
    rest = middle + _core(item, after)
    if auxiliary and auxiliary[-1][0] == "正在" and rest and rest[0][0] == "在":
        rest = rest[1:]
    return out + auxiliary + rest


def _auxiliary(item: Clause) -> list[Token]:
    """Negation, aspect before the verb, modal."""
    tense, finite = item.tense, item.finite
    no = (item.negation, finite)
    if tense == "G":
        return words(["目前", "正在"], finite)
    if tense == "R":
        return words(["还", "没有"], *no) if item.negative else words(["已经"], finite)
    if tense == "S":
        return words(["没有"], *no) if item.negative else []
    modal = words(_AUXILIARIES.get(tense, "").split(), finite)
    return [*words(["不"], item.negation), *modal] if item.negative else modal


def _core(item: Clause, after: list[Token]) -> list[Token]:
    """The verb's pattern: its complements, 了, how often (in 了's place) and how long (last)."""
    assert item.verb is not None
    thing = item.subject if item.passive else item.args[0][1] if item.args else None
    verb = chinese_verb(item.verb, classes_of(thing) if thing else frozenset())
    pattern = verb.passive if item.passive else verb.pattern
    if verb.with_ba and not item.passive and item.gap != "object" and _is_definite(thing):
        pattern = verb.with_ba
    times = [token for token in after if token[0].endswith("次")]
    last = [token for token in after if token not in times]
    done = item.tense in ("S", "R") and not item.negative and item.gap != "object"
    if last and pattern[0] == "睡觉":
        pattern = ("睡", "+")  # 睡了七个小时
    out: list[Token] = []
    for piece in pattern:
        if piece == "+":
            out += words(["了"], item.finite) if done else []
            out, times = out + times, []
        elif piece[0] == "{":
            number = int(piece[1])
            if number >= len(item.args):
                out = _without_recipient(out)
            elif number or item.gap != "object":
                out += noun_phrase(item.args[number][1])
        else:
            out.append((piece, (item.main,)))
    return out + times + last


def _without_recipient(out: list[Token]) -> list[Token]:
    """Nobody is named after 给 (我们昨天寄的报告): it goes, alone or as the end of a verb."""
    text, sources = out[-1]
    rest = text.removesuffix("给")
    return [*out[:-1], (rest, sources)] if rest else out[:-1]


def _is_definite(np: NP | None) -> bool:
    return np is not None and (np.noun is None or np.det in ("def", "poss", "this"))


def _predicate(item: Clause) -> list[Token]:
    """很贵, 不贵, 比火车快, 和火车一样快; 当时 where nothing else tells that it is past."""
    predicate = item.predicate
    assert predicate is not None
    found = chinese_adjective(predicate.adjective, classes_of(item.subject))
    out: list[Token] = []
    if item.tense == "S" and not any(extra.kind == "time" for extra in item.adverbials):
        out = words(["当时"], item.finite)
    if item.tense == "F":
        out = words(["不"], item.negation) if item.negative else []
        out += words(["会"], item.finite)
    if predicate.than is not None:
        lead, link = ("和", ["一样", found.text]) if predicate.equal else ("比", [found.text])
        return [*out, (lead, (predicate,)), *noun_phrase(predicate.than), *words(link, predicate)]
    if item.negative and item.tense != "F":
        return out + words(found.negative, predicate, item.negation)
    return out + words(found.predicate, predicate)


def _before(item: Sub) -> list[Token]:
    """A sub-clause that comes before its main clause, with its comma."""
    inner, mark = item.clause, (item,)
    if item.kind == "when":
        out = [*clause(inner), ("的", mark), ("时候", mark)]
    elif item.kind == "as soon as":
        out = clause(inner, [("一", mark)])
    elif item.kind == "before":
        heard = clause(inner, subject=inner.gap != "same")
        lead = [] if heard[0][0] == "在" else [("在", mark)]
        out = [*lead, *heard, ("之前", mark)]
    elif item.kind == "in order to":
        out = [("为了", mark), *clause(inner, subject=False)]
    else:
        out = [("如果", mark), *clause(inner)]
    return [*out, COMMA]


def leading(item: Sub) -> list[Token]:
    """A sub-clause that opens the sentence."""
    if item.kind == "although":
        return [("虽然", (item,)), *clause(item.clause), COMMA, ("但", (item,))]
    return _before(item)


def main_insert(item: Sub) -> list[Token]:
    """What the main clause says after its subject because of the clause before it."""
    return [("就", (item,))] if item.kind in ("if", "as soon as") else []


def _after(main: Clause) -> list[Token]:
    """A sub-clause that follows its main clause."""
    item = main.sub
    assert item is not None
    inner, mark = item.clause, (item,)
    if item.kind in _ASKED:
        return clause(inner, [(_ASKED[item.kind], mark)])
    if item.kind == "to":
        lead = words(["要"], item) if main.verb is None else []
        return lead + clause(inner, subject=False)
    if item.kind == "without":
        no = ["而", "没有" if main.tense in _PAST else "不"]
        return [COMMA, *words(no, item), *clause(inner, subject=False)]
    if item.kind in ("because", "although", "so that"):
        joint = {"because": "因为", "although": "尽管", "so that": "以便"}[item.kind]
        return [COMMA, (joint, mark), *clause(inner)]
    if item.kind == "that subj" and main.predicate is not None:
        need = inner.tense == "P"
        return clause(inner, [("要", mark)] if need else [])
    return clause(inner)
