"""Terms and their translations, edited while a talk runs.

A glossary is a value: `edit` gives another one and shares the entries with the first, so a session
that is told of a new term changes nothing for its neighbours. At most 100,000 entries.

    g = Glossary([Entry("Krzysztof", "Krzysztof")])
    h = g.edit(add=[Entry("ear-voice span", "Ohr-Stimm-Spanne")], remove=["Krzysztof"])
    session.update(glossary=h)          # from the session's next turn on
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from earvoice.agent.foreign import clean
from earvoice.errors import UsageError
from earvoice.text.languages import primary

MAX_ENTRIES = 100_000
MAX_TERM_CHARS = 80
_MOST_EDITS = 2000
"""More edits than these are folded into a new base."""
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*")


@dataclass(frozen=True, slots=True)
class Entry:
    """A term as it is said and as it is to be written; both are cleaned.

    target: empty for a name that stays as it is. src_lang, tgt_lang: where it is only for them;
    of a tag such as `en-US` the primary subtag is kept, as models and requests are compared by it.
    Errors: `UsageError` for an empty or overlong side, and for what is no language tag.
    """

    source: str
    target: str = ""
    src_lang: str | None = None
    tgt_lang: str | None = None
    key: str = field(init=False, repr=False, compare=False)
    """What it is found by: the source in one case."""

    def __post_init__(self) -> None:
        source = _side("source", self.source)
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "key", source.casefold())
        object.__setattr__(self, "target", _side("target", self.target) if self.target else source)
        object.__setattr__(self, "src_lang", _code("src_lang", self.src_lang))
        object.__setattr__(self, "tgt_lang", _code("tgt_lang", self.tgt_lang))

    def serves(self, src_lang: str, tgt_lang: str) -> bool:
        """Whether it is for this pair of languages (primary subtags)."""
        return self.src_lang in (None, src_lang) and self.tgt_lang in (None, tgt_lang)


def key_of(source: str) -> str:
    """How a source term is compared."""
    return clean(source).casefold()


class Glossary:
    """Entries by source term; immutable.

    base, added, removed: `added` and `removed` (keys) are what differs from `base`, which other
    glossaries may share. Of entries of one source term the first counts. Errors: `UsageError` for
    more entries than are allowed, and for one term with several pairs of languages.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        base: dict[str, Entry] = {}
        for entry in _entries("entries", entries):
            first = base.setdefault(entry.key, entry)
            if (first.src_lang, first.tgt_lang) != (entry.src_lang, entry.tgt_lang):
                raise UsageError(
                    f"the term {entry.source!r} is there for {_pair(first)} and for "
                    f"{_pair(entry)}; a glossary has the terms of one pair of languages"
                )
            if len(base) > MAX_ENTRIES:
                raise _too_many(len(base))
        self.base: Mapping[str, Entry] = MappingProxyType(base)
        self.added: Mapping[str, Entry] = MappingProxyType({})
        self.removed: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.base) - len(self.removed) + len(self.added)

    def __iter__(self) -> Iterator[Entry]:
        for key, entry in self.base.items():
            if key not in self.removed:
                yield entry
        yield from self.added.values()

    def __contains__(self, source: str) -> bool:
        return self.get(source) is not None

    def get(self, source: str) -> Entry | None:
        """The entry of a source term, in any case."""
        key = key_of(source)
        if key in self.added:
            return self.added[key]
        return None if key in self.removed else self.base.get(key)

    def edit(self, *, add: Iterable[Entry] = (), remove: Iterable[str] = ()) -> Glossary:
        """Another glossary: without the source terms `remove`, then with `add`.

        An entry that is there already is replaced. Errors: `UsageError` for a term to remove that
        is not there, or too many entries.
        """
        added, removed = dict(self.added), set(self.removed)
        if isinstance(remove, str):  # its letters would be terms
            raise UsageError(f"remove is {remove[:80]!r}, it must be a list of source terms")
        for source in remove:
            if source not in self:
                raise UsageError(f"remove: the glossary has no term {clean(source)[:80]!r}")
            key = key_of(source)
            added.pop(key, None)
            if key in self.base:
                removed.add(key)
        for entry in _entries("add", add):
            added[entry.key] = entry
            if entry.key in self.base:
                removed.add(entry.key)
        found = Glossary()
        found.base = self.base
        found.added, found.removed = MappingProxyType(added), frozenset(removed)
        if len(found) > MAX_ENTRIES:
            raise _too_many(len(found))
        return Glossary(found) if len(added) + len(removed) > _MOST_EDITS else found


def _pair(entry: Entry) -> str:
    return f"{entry.src_lang or 'any'} to {entry.tgt_lang or 'any'}"


def _entries(name: str, given: Iterable[Entry]) -> Iterator[Entry]:
    if not isinstance(given, Iterable):
        raise UsageError(f"{name} is {given!r}, it must be a list of entries")
    for entry in given:
        if not isinstance(entry, Entry):
            raise UsageError(f"{name} has {entry!r}, each must be an Entry")
        yield entry


def _side(name: str, text: str) -> str:
    if not isinstance(text, str):
        raise UsageError(f"{name} is {text!r}, it must be a text")
    cleaned = clean(text)
    if not cleaned:
        raise UsageError(f"{name} is {text[:80]!r}, it must have a letter")
    if len(cleaned) > MAX_TERM_CHARS:
        raise UsageError(
            f"{name} is {cleaned[:40]!r}... with {len(cleaned)} characters, it may have "
            f"{MAX_TERM_CHARS}"
        )
    return cleaned


def _code(name: str, tag: str | None) -> str | None:
    """The primary subtag of a language tag; None for any language."""
    if tag is None:
        return None
    if not isinstance(tag, str) or not _LANGUAGE_TAG.fullmatch(tag.strip()):
        raise UsageError(f"{name} is {tag!r:.80}, it must be a language code such as 'de'")
    return primary(tag)


def _too_many(count: int) -> UsageError:
    return UsageError(f"the glossary has {count} entries, it may have {MAX_ENTRIES}")
