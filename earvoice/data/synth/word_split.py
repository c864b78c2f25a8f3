"""Which phones of an utterance belong to which word, when the synthesizer does not say.

espeak-ng fuses function words ("in the" is one unit without an inner boundary) and flite gives
phones only. Both can pronounce a word alone; aligning the utterance's phones with those citation
forms by least edit cost finds the boundaries. Weak forms ("and" said as /n/) and linking sounds
only cost a little because a vowel may stand for a vowel.

    phones      dh ax | w uh m ax n | ih n | dh ax
    citation    dh iy | w uh m ax n | ih n | dh iy
"""

from __future__ import annotations

from collections.abc import Sequence

from earvoice.data.synth.phones import VOWELS

_GAP = 1.0
_SAME_KIND = 0.6
_OTHER_KIND = 1.7
_ALIKE = frozenset(
    frozenset(pair.split("-"))
    for pair in "t-d s-z f-v th-dh k-g p-b ch-t jh-d sh-s zh-z n-ng n-m dh-d th-t r-er l-ax".split()
)


def _cost(phone: str, citation: str) -> float:
    """What it costs that `phone` stands for `citation`; a gap on both sides costs 2."""
    if phone == citation:
        return 0.0
    if frozenset((phone, citation)) in _ALIKE:
        return 0.3
    return _SAME_KIND if (phone in VOWELS) == (citation in VOWELS) else _OTHER_KIND


def split_phones(phones: Sequence[str], citations: Sequence[Sequence[str]]) -> list[int]:
    """For each phone the index of its word; non-decreasing.

    `citations[k]` are the phones of word k said alone; a word with none (a punctuation mark) gets
    no phone. Every other word gets at least one phone as long as there are enough.
    Costs O(phones x citation phones).
    """
    flat = [(phone, word) for word, citation in enumerate(citations) for phone in citation]
    if not flat:
        return [0] * len(phones)
    owners = _trace(phones, flat)
    return _leave_none_empty(owners, [word for word, said in enumerate(citations) if said])


def _trace(phones: Sequence[str], flat: Sequence[tuple[str, int]]) -> list[int]:
    """The word of each phone along a cheapest alignment."""
    n, m = len(phones), len(flat)
    best = [[0.0] * (m + 1) for _ in range(n + 1)]
    for j in range(1, m + 1):
        best[0][j] = j * _GAP
    for i in range(1, n + 1):
        row, above = best[i], best[i - 1]
        row[0] = i * _GAP
        for j in range(1, m + 1):
            row[j] = min(
                above[j - 1] + _cost(phones[i - 1], flat[j - 1][0]),
                above[j] + _GAP,
                row[j - 1] + _GAP,
            )
    owners = [0] * n
    i, j = n, m
    while i > 0:
        here = best[i][j]
        if j > 0 and here == best[i - 1][j - 1] + _cost(phones[i - 1], flat[j - 1][0]):
            owners[i - 1] = flat[j - 1][1]
            i, j = i - 1, j - 1
        elif here == best[i - 1][j] + _GAP:
            # A sound no citation has (a linking r) goes with the word before it.
            owners[i - 1] = flat[max(j - 1, 0)][1]
            i -= 1
        else:
            j -= 1
    return owners


def _leave_none_empty(owners: list[int], words: Sequence[int]) -> list[int]:
    """Moves boundaries so that every one of `words` owns a phone, if there are enough phones.

    Boundary k is the first phone of the k-th word; it must be at least k, leave one phone for each
    later word, and lie after the boundary before it.
    """
    n, count = len(owners), len(words)
    if n < count:
        return owners
    firsts = [next((i for i, owner in enumerate(owners) if owner >= word), n) for word in words]
    firsts[0] = 0
    for k in range(count - 1, 0, -1):
        later = firsts[k + 1] - 1 if k + 1 < count else n - 1
        firsts[k] = min(firsts[k], later)
    for k in range(1, count):
        firsts[k] = max(firsts[k], firsts[k - 1] + 1)
    fixed = [0] * n
    for k, first in enumerate(firsts):
        end = firsts[k + 1] if k + 1 < count else n
        fixed[first:end] = [words[k]] * (end - first)
    return fixed
