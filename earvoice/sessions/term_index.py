"""A glossary as the retriever sees it: letters and vectors of every term, and a search in them.

    base    all terms of a file: computed once, shared by every session that has the glossary
    extra   terms added while a session runs: computed when they come
    hidden  terms removed or replaced: left out of what the base finds

A vector follows from the letters of its term, so a term that is in a store already is copied from
there: an edit costs what is new in it, and so does one that is folded into a new base.

Vectors lie in faiss where it is installed (the extra `retrieval`) and there are many; else a plain
matrix product finds the same.
"""

from __future__ import annotations

import functools
import importlib.util
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from earvoice.agent.glossary import Entry, Glossary
from earvoice.models.retriever import Retriever

FAISS_FROM = 5000
"""Vectors from which on faiss is asked; below, one product is as quick."""
KEPT_STORES = 4
"""Glossaries, and lists of added terms, whose vectors are kept for the next that has the same."""
_BATCH = 512
_MORE = 16
"""So many times the candidates are asked for, at most, where some are for other languages."""

Vectors = NDArray[np.float32]


class VectorIndex(Protocol):
    """Unit vectors, searched by inner product."""

    def nearest(self, queries: Vectors, most: int) -> list[int]:
        """Rows that are near any of the queries [Q, V], the nearest first, each once."""
        ...


class PlainIndex:
    """All products, in numpy."""

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors

    def nearest(self, queries: Vectors, most: int) -> list[int]:
        """See `VectorIndex`."""
        scores = (self._vectors @ queries.T).max(axis=1)
        most = min(most, len(scores))
        rows = np.argpartition(-scores, most - 1)[:most]
        found: list[int] = rows[np.argsort(-scores[rows], kind="stable")].tolist()
        return found


class FaissIndex:
    """Cells of near vectors, of which a search looks into the nearest few.

    Learnt from the vectors themselves, with a fixed seed. A byte a number: a search reads
    megabytes, and that is what it costs.
    """

    def __init__(self, vectors: Vectors, cells: int | None = None, probe: int = 16) -> None:
        import faiss

        cells = cells or max(1, int(2 * len(vectors) ** 0.5))
        self._quantiser = faiss.IndexFlatIP(vectors.shape[1])
        eight_bits = faiss.ScalarQuantizer.QT_8bit
        index: Any = faiss.IndexIVFScalarQuantizer(
            self._quantiser, vectors.shape[1], cells, eight_bits, faiss.METRIC_INNER_PRODUCT
        )
        index.cp.seed, index.cp.niter = 1, 8
        index.cp.min_points_per_centroid = 1
        index.train(vectors)
        index.add(vectors)
        index.nprobe = min(probe, cells)
        self._index = index

    def nearest(self, queries: Vectors, most: int) -> list[int]:
        """See `VectorIndex`; may find fewer."""
        scores, rows = self._index.search(queries, most)
        best: dict[int, float] = {}
        for row, score in zip(rows.ravel().tolist(), scores.ravel().tolist(), strict=True):
            if row >= 0 and score > best.get(row, -2.0):
                best[row] = score
        return sorted(best, key=lambda row: (-best[row], row))[:most]


def index_of(vectors: Vectors) -> VectorIndex:
    """The index for so many vectors."""
    if len(vectors) >= FAISS_FROM and importlib.util.find_spec("faiss") is not None:
        return FaissIndex(vectors)
    return PlainIndex(vectors)


class TermStore:
    """Terms of a glossary with their letters and vectors. Immutable.

    known: stores of the same retriever whose vectors are taken for terms that are in them.
    """

    def __init__(
        self, retriever: Retriever, entries: Iterable[Entry], known: Sequence[TermStore] = ()
    ) -> None:
        self.entries = tuple(entries)
        self.spelt = retriever.spell([entry.source for entry in self.entries]).short()
        self.vectors = np.empty((len(self.entries), retriever.config.vector), dtype=np.float32)
        new = torch.tensor(self._copied(known), dtype=torch.long)
        # Alike lengths together, so that short terms are not padded to the longest.
        new = new[torch.argsort((self.spelt[new] >= 0).sum(1), stable=True)]
        with torch.inference_mode():
            for part in new.split(_BATCH):
                if len(part):
                    spelt = trimmed(self.spelt[part].long())
                    self.vectors[part] = retriever.key_vectors(*retriever.keys(spelt)).numpy()
        self.index = index_of(self.vectors)

    def __len__(self) -> int:
        return len(self.entries)

    @functools.cached_property
    def rows(self) -> Mapping[str, int]:
        """Where the term of each key is."""
        return {entry.key: row for row, entry in enumerate(self.entries)}

    def _copied(self, known: Sequence[TermStore]) -> list[int]:
        """Takes the vectors that are there; the rows of those that are not."""
        missing = list(range(len(self.entries)))
        for store in known:
            if not missing or not len(store):
                continue
            places = [store.rows.get(self.entries[row].key) for row in missing]
            found = [(row, at) for row, at in zip(missing, places, strict=True) if at is not None]
            if found:
                rows, there = zip(*found, strict=True)
                self.vectors[list(rows)] = store.vectors[list(there)]
                missing = [row for row, at in zip(missing, places, strict=True) if at is None]
        return missing


class TermStores:
    """Stores of one retriever, kept for a while for the next session with the same terms.

    Thread-safe: vectors are computed without any lock, which is held to look and to publish only.
    """

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever
        self._lock = threading.Lock()
        self._bases: list[tuple[object, TermStore]] = []
        self._extras: list[tuple[object, TermStore]] = []

    def view(
        self, glossary: Glossary, pair: tuple[str, str], old: TermView | None = None
    ) -> TermView:
        """What a session searches. old: what it searched before, whose terms are known."""
        known = () if old is None else (old.base, old.extra)
        base = self._store(self._bases, glossary.base, known)
        extra = self._store(self._extras, glossary.added, (base, *known))
        return TermView(base, extra, glossary.removed, pair)

    def _store(
        self,
        kept: list[tuple[object, TermStore]],
        terms: Mapping[str, Entry],
        known: Sequence[TermStore],
    ) -> TermStore:
        """The store of these terms: one that is there, or a new one."""
        with self._lock:
            there = list(kept)
            known = (*known, *(store for _, store in (*self._bases, *self._extras)))
        store = next((store for one, store in there if one is terms), None)
        if store is None:  # the same file read again has other objects of the same content
            entries = tuple(terms.values())
            store = next((store for _, store in there if store.entries == entries), None)
            store = store or TermStore(self._retriever, entries, known)
        with self._lock:
            # What is compared is held here, so that it stays what it is. The latest is first.
            others = [item for item in kept if item[1] is not store]
            kept[:] = [(terms, store), *others][:KEPT_STORES]
        return store


class TermView:
    """What one session searches: a shared base, its own additions, and what is hidden of the base.

    Immutable; an edited glossary is another view (`TermStores.view`).
    pair: languages; entries for other pairs are hidden.
    """

    def __init__(
        self, base: TermStore, extra: TermStore, hidden: frozenset[str], pair: tuple[str, str]
    ) -> None:
        self.base, self.extra, self._hidden, self.pair = base, extra, hidden, pair

    def __len__(self) -> int:
        return len(self.base) + len(self.extra)

    def nearest(self, queries: Tensor, most: int) -> tuple[list[Entry], Tensor]:
        """At most about `most` terms near any of the queries, and their letters [K, C].

        Where there are no more terms than that, all of them. queries [S, vector].
        """
        entries: list[Entry] = []
        letters: list[Tensor] = []
        for store, hidden in ((self.base, self._hidden), (self.extra, frozenset[str]())):
            if not len(store):
                continue
            rows = self._rows(store, hidden, queries, most)
            entries += [store.entries[row] for row in rows]
            letters.append(trimmed(store.spelt[rows].long()))
        if not letters:
            return [], torch.zeros(0, 1, dtype=torch.long)
        width = max(part.shape[1] for part in letters)
        wide = [F.pad(part, (0, width - part.shape[1]), value=-1) for part in letters]
        return entries, torch.cat(wide)

    def _rows(
        self, store: TermStore, hidden: frozenset[str], queries: Tensor, most: int
    ) -> list[int]:
        """Rows of a store that are not hidden, each once, the nearest first.

        Hidden ones that are near take places of others: then more are asked for, within bounds.
        """
        count = len(store)
        if count <= most:
            return [row for row in range(count) if self._seen(store.entries[row], hidden)]
        wide = np.ascontiguousarray(queries.numpy())
        asked, limit = most, min(count, _MORE * most + len(hidden))
        while True:
            near = store.index.nearest(wide, asked)
            seen = [row for row in near if self._seen(store.entries[row], hidden)]
            if len(seen) >= most or len(seen) == len(near) or asked == limit:
                return seen[:most]
            asked = min(4 * asked, limit)

    def _seen(self, entry: Entry, hidden: frozenset[str]) -> bool:
        return entry.serves(*self.pair) and not (hidden and entry.key in hidden)


def trimmed(spelt: Tensor) -> Tensor:
    """Without the columns that no term reaches. [K, C] -> [K, C']."""
    width = int((spelt >= 0).sum(1).max()) if len(spelt) else 1
    return spelt[:, :width]
