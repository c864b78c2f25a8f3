"""Listening for terms: windows once, whatever the pieces; edits; the plain index and faiss."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from earvoice.agent.glossary import Entry, Glossary
from earvoice.models.retriever import Retriever, RetrieverConfig
from earvoice.sessions import term_index
from earvoice.sessions.spotter import Hit, TermSpotter
from earvoice.sessions.term_index import FaissIndex, PlainIndex, TermStores

CONFIG = RetrieverConfig(
    dim=16, heads=2, layers=1, key_layers=1, vector=8, alphabet=128, window_frames=24,
    hop_frames=6, spans=(4, 8), span_hop=2, candidates=4,
)  # fmt: skip
NAMES = ["house", "garden", "Krzysztof", "a b", "zebra", "violin", "cello", "harp"]
PAIR = ("en", "de")


@pytest.fixture(scope="module")
def retriever():
    torch.manual_seed(3)
    return Retriever(CONFIG, 12).eval().requires_grad_(False)


def view_of(retriever, glossary):
    return TermStores(retriever).view(glossary, PAIR)


def frames(count, seed=0):
    return torch.randn(count, 12, generator=torch.Generator().manual_seed(seed))


def heard(retriever, glossary, pieces):
    spotter = TermSpotter(retriever, view_of(retriever, glossary), 0.0)
    with torch.inference_mode():
        for piece in pieces:
            spotter.push(piece)
    return [(hit.entry.source, hit.start, hit.end, round(hit.score, 4)) for hit in spotter.hits]


@settings(max_examples=20)
@given(cuts=st.lists(st.integers(0, 100), max_size=6))
def test_pieces_do_not_matter(retriever, cuts):
    glossary = Glossary(map(Entry, NAMES))
    edges = [0, *sorted(cuts), 100]
    pieces = [frames(100)[a:b] for a, b in itertools.pairwise(edges)]
    assert heard(retriever, glossary, pieces) == heard(retriever, glossary, [frames(100)])


def test_a_window_is_scored_once_and_is_as_long_as_it_says(retriever):
    found = heard(retriever, Glossary([Entry("house")]), [frames(100)])
    assert [(start, end) for _, start, end, _ in found] == [
        (max(0, end - 24), end) for end in range(6, 97, 6)
    ]


def test_the_end_of_a_stream_is_looked_at_too(retriever):
    spotter = TermSpotter(retriever, view_of(retriever, Glossary([Entry("house")])), 0.0)
    with torch.inference_mode():
        spotter.push(frames(27))
        spotter.finish()
        spotter.finish()
    assert [hit.end for hit in spotter.hits] == [6, 12, 18, 24, 27]


def test_scores_do_not_depend_on_the_other_terms(retriever):
    both = heard(retriever, Glossary(map(Entry, NAMES[:3])), [frames(48)])
    one = heard(retriever, Glossary([Entry(NAMES[1])]), [frames(48)])
    assert [hit for hit in both if hit[0] == NAMES[1]] == one


def test_a_small_glossary_is_looked_at_whole(retriever):
    found = heard(retriever, Glossary(map(Entry, NAMES[:4])), [frames(24)])
    assert {name for name, *_ in found} == set(NAMES[:4])


def test_edits_are_followed(retriever):
    glossary = Glossary(map(Entry, NAMES[:3]))
    edited = glossary.edit(add=[Entry("oboe"), Entry("house", "Haus")], remove=["garden"])
    stores = TermStores(retriever)
    view = stores.view(edited, PAIR)
    entries, spelt = view.nearest(torch.zeros(1, 8), 4)
    assert set(entries) == {Entry("Krzysztof"), Entry("oboe"), Entry("house", "Haus")}
    assert len(spelt) == 3
    view = stores.view(glossary, PAIR, view)
    assert set(view.nearest(torch.zeros(1, 8), 4)[0]) == set(glossary)


def test_terms_of_other_languages_are_hidden(retriever):
    glossary = Glossary([Entry("house", "Haus", "en", "de"), Entry("home", "maison", "en", "fr")])
    assert [e.source for e in view_of(retriever, glossary).nearest(torch.zeros(1, 8), 4)[0]] == [
        "house"
    ]


@pytest.mark.parametrize("count", [len(NAMES), 200])
def test_terms_that_were_removed_take_no_places(retriever, count):
    terms = NAMES + [f"term {number}" for number in range(count - len(NAMES))]
    glossary = Glossary(map(Entry, terms))
    query = retriever.key_vectors(*retriever.keys(retriever.spell([terms[0]])))
    near = [entry.source for entry in view_of(retriever, glossary).nearest(query, count)[0]]
    order = retriever.key_vectors(*retriever.keys(retriever.spell(near))) @ query[0]
    near = [near[place] for place in order.argsort(descending=True).tolist()]
    edited = glossary.edit(remove=near[:-3])
    assert {e.source for e in view_of(retriever, edited).nearest(query, 4)[0]} == set(near[-3:])
    edited = glossary.edit(remove=near[:4])
    assert near[4] in {e.source for e in view_of(retriever, edited).nearest(query, 4)[0]}


def test_the_best_hit_of_a_term_counts_and_old_ones_are_forgotten(retriever):
    spotter = TermSpotter(retriever, view_of(retriever, Glossary(map(Entry, NAMES[:3]))), 0.0)
    with torch.inference_mode():
        spotter.push(frames(100))
    best = spotter.best(50, 2)
    assert len(best) == 2
    assert all(hit.end > 50 for hit in spotter.hits)
    for hit in best:
        own = [other.score for other in spotter.hits if other.entry == hit.entry]
        assert hit.score == max(own)


class Ears:
    """Terms that begin with the same letter sound alike."""

    config = CONFIG.model_copy(update={"alike": 0.5})

    def alike(self, terms):
        return torch.tensor([[one[0] == other[0] for other in terms] for one in terms])


def test_of_terms_that_sound_alike_one_is_in_a_place():
    spotter = TermSpotter(Ears(), [], 0.5)
    spotter.hits = [
        Hit(Entry("kamilo"), 0.9, 0, 24),
        Hit(Entry("kalimo"), 0.95, 12, 36),
        Hit(Entry("kamoli"), 0.7, 40, 64),  # said later
        Hit(Entry("temora"), 0.6, 12, 36),  # sounds like none of them
    ]
    found = [hit.entry.source for hit in spotter.best(0, 10)]
    assert found == ["kalimo", "kamoli", "temora"]
    assert [hit.entry.source for hit in spotter.best(0, 2)] == ["kalimo", "kamoli"]
    assert len(spotter.hits) == 4  # what a turn is not told may be told to the next


def unit(count, seed):
    vectors = np.random.default_rng(seed).normal(size=(count, 8)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_both_indexes_find_the_nearest():
    vectors, queries = unit(600, 0), unit(3, 1)
    right = np.argsort(-(vectors @ queries.T).max(1))[:10].tolist()
    assert PlainIndex(vectors).nearest(queries, 10) == right
    pytest.importorskip("faiss")
    assert FaissIndex(vectors, probe=1000).nearest(queries, 10) == right
    few = FaissIndex(vectors, probe=8).nearest(queries, 10)
    assert len(set(few) & set(right)) >= 5


def test_without_faiss_the_plain_index_serves(monkeypatch):
    monkeypatch.setattr(term_index.importlib.util, "find_spec", lambda name: None)
    assert isinstance(term_index.index_of(unit(6000, 0)), PlainIndex)
