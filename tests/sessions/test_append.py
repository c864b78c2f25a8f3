"""The append loop, exactly: batching, windows, waiting, holding, rows."""

import dataclasses
import gc

import numpy as np
import pytest
import torch

from earvoice.audio import Audio
from earvoice.errors import UsageError
from earvoice.events import Commit, Draft, Finished, shown_text
from earvoice.nn.masks import PROMPT, SPEECH, TEXT
from earvoice.policies import HoldN, Read, WaitK, Write
from earvoice.session import Request
from tests.tiny import fasst, tokenizer

SHORT_WINDOW = {"window_segments": 6, "keep_segments": 3}


def interpreter(max_tokens=10, *, rows=1, seed=0, **changes):
    """A random system that writes a few tokens per consultation."""
    made = fasst(seed=seed, **changes).interpreter(tokenizer(), rows=rows)
    made.settings = dataclasses.replace(made.settings, max_tokens=max_tokens)
    return made


@pytest.fixture(scope="module")
def plain():
    return interpreter()


def noise(samples, seed=0):
    generator = np.random.default_rng(seed)
    return Audio.of((0.1 * generator.standard_normal(samples)).astype(np.float32))


def request(policy=None):
    return Request("en", "de", policy)


def commits(events):
    return [event for event in events if isinstance(event, Commit)]


def translate(interpreter, audio, policy=None):
    session = interpreter.open(request(policy))
    return session.push(audio) + session.finish()


def advance_all(interpreter, sessions):
    """Everything that waits, as batches; events per session."""
    events = [[] for _ in sessions]
    while any(session.audio.has_segment for session in sessions):
        for said, new in zip(events, interpreter.advance(sessions), strict=True):
            said += new
    return events


def test_eight_streams_at_once_are_the_streams_alone():
    several, alone = interpreter(rows=2), interpreter()
    policies = [WaitK(1, 1), WaitK(2, 2), WaitK(3, 3), HoldN(1)] * 2
    audios = [noise(several.segment_samples * (3 + n % 3) + 100 * n, n) for n in range(8)]
    sessions = [several.open(request(policy)) for policy in policies]
    assert sorted(session.row for session in sessions) == list(range(8))
    for session, audio in zip(sessions, audios, strict=True):
        session.feed(audio)
    events = advance_all(several, sessions[::-1])[::-1]  # any order of the batch
    texts = set()
    for session, said, audio, policy in zip(sessions, events, audios, policies, strict=True):
        said += session.finish()
        assert said == translate(alone, audio, policy)
        texts.add(shown_text(said))
    assert len(texts) > 4, "the streams hardly differ: the test would prove nothing"


def test_streams_that_began_at_different_times_share_a_batch(plain):
    size = plain.segment_samples
    early, late = noise(6 * size, 1), noise(4 * size, 2)
    expected = [translate(plain, audio, WaitK(2, 2)) for audio in (early, late)]
    first = plain.open(request(WaitK(2, 2)))
    events = [first.push(Audio(early.samples[:, : 2 * size])), []]
    second = plain.open(request(WaitK(2, 2)))
    first.feed(Audio(early.samples[:, 2 * size :]))
    second.feed(late)
    for said, new in zip(events, advance_all(plain, [first, second]), strict=True):
        said += new
    events[0] += first.finish()
    events[1] += second.finish()
    assert events == expected


@pytest.mark.parametrize("policy", [WaitK(2, 2), HoldN(2)], ids=["wait-k", "hold-n"])
def test_a_long_stream_slides_its_window(policy):
    made = interpreter(6, **SHORT_WINDOW)
    session = made.open(request(policy))
    size_bytes = made.cache.nbytes() + made.speech_state.nbytes()
    segments, per_half, lengths = 120, [0, 0], []
    audio = noise(segments * made.segment_samples)
    for index in range(segments):
        start = index * made.segment_samples
        events = session.push(Audio(audio.samples[:, start : start + made.segment_samples]))
        per_half[index >= segments // 2] += len(commits(events))
        lengths.append(int(made.cache.length[session.row]))
        used = slice(0, lengths[-1])
        kind, segment = made.cache.kind[session.row, used], made.cache.segment[session.row, used]
        heard = segment[kind == SPEECH]
        assert heard.max() == index + 1
        assert heard.max() - heard.min() < 6, "more than the window is kept"
        assert list(kind[:2]) == [PROMPT, PROMPT], "the prompt is pinned"
        assert (kind == TEXT).any() or index < 2
        position = made.cache.position[session.row, used]
        assert position.max() < made.cache.capacity, "positions restart with the window"
    assert max(lengths) <= made.cache.capacity
    assert min(per_half) > 10, "the text does not go on"
    assert made.cache.nbytes() + made.speech_state.nbytes() == size_bytes
    assert session.finish()[-1] == Finished()


def test_speech_and_text_are_numbered_without_gaps_after_a_slide():
    made = interpreter(6, **SHORT_WINDOW)
    session = made.open(request(WaitK(2, 2)))
    session.push(noise(15 * made.segment_samples))
    used = slice(0, int(made.cache.length[session.row]))
    kind, position = made.cache.kind[session.row, used], made.cache.position[session.row, used]
    prompt = int((kind == PROMPT).sum())
    for what in (SPEECH, TEXT):
        own = position[kind == what]
        assert own.tolist() == list(range(prompt, prompt + len(own)))
    assert session.progress.speech == int((kind == SPEECH).sum())
    assert session.progress.text == int((kind == TEXT).sum()) + 1  # the one to feed again


def test_text_in_time_keeps_its_place_beside_its_speech_after_a_slide():
    made = interpreter(6, text_position="time", **SHORT_WINDOW)
    session = made.open(request(WaitK(2, 2)))
    session.push(noise(15 * made.segment_samples))
    used = slice(0, int(made.cache.length[session.row]))
    cached = (made.cache.kind, made.cache.segment, made.cache.position)
    kind, segment, position = (leaf[session.row, used] for leaf in cached)
    prompt, prefix = int((kind == PROMPT).sum()), len(session.progress.prompt.after)
    speech = segment[kind == SPEECH]
    oldest, per_segment = speech.min(), int((speech == speech.min()).sum())
    assert oldest > 1, "nothing slid: the test would prove nothing"
    assert position[kind == SPEECH].tolist() == list(range(prompt, prompt + len(speech)))
    texts = list(zip(segment[kind == TEXT], position[kind == TEXT], strict=True))
    pinned, written = texts[:prefix], texts[prefix:]
    assert [place for _, place in pinned] == [prompt + per_segment + i for i in range(prefix)]
    assert written
    for step in {step for step, _ in written}:
        places = [place for at, place in written if at == step]
        first = prompt + (step - oldest + 1) * per_segment + (prefix if step == oldest else 0)
        assert places == list(range(first, first + len(places)))


def test_a_model_that_never_ends_costs_context_not_the_stream():
    """Forty-eight tokens a segment overflow a row long before the window is full."""
    made = interpreter(48, seed=2)
    session = made.open(request(WaitK(1, 40)))
    written = 0
    for index in range(40):
        events = session.push(noise(made.segment_samples, index))
        written += sum(len(event.text) for event in commits(events))
        assert int(made.cache.length[session.row]) <= made.cache.capacity
    assert session.progress.segments == 40
    assert written > 1000, "the model ends by itself: the test would prove nothing"
    session.finish()


@pytest.mark.parametrize("segments", [4, 6, 15])
def test_waiting_for_everything(segments):
    """k = 100 writes when the source ends, or once per window, and starts anew after it."""
    made = interpreter(6, **SHORT_WINDOW)
    session = made.open(request(WaitK(100)))
    size = made.segment_samples
    wrote = []
    for index in range(segments):
        if commits(session.push(noise(size, index))):
            wrote.append(index + 1)
    assert wrote == list(range(6, segments + 1, 6))
    events = session.finish()
    assert commits(events)
    assert events[-1] == Finished()


def test_a_new_window_is_a_new_stream_to_the_language_model():
    """What is written of the second window does not depend on the first."""
    made = interpreter(6, **SHORT_WINDOW)
    session = made.open(request(WaitK(100)))
    session.push(noise(6 * made.segment_samples))
    assert session.progress.segments == 0
    assert int(made.cache.length[session.row]) == 0
    session.push(noise(made.segment_samples))
    assert made.cache.kind[session.row, :2].tolist() == [PROMPT, PROMPT]


def test_spans_are_where_the_text_was_heard():
    for policy in (WaitK(2, 1), WaitK(100), HoldN(1)):
        made = interpreter(6, **SHORT_WINDOW)
        segment_s = made.segment_samples / 16000
        session = made.open(request(policy))
        last = (0.0, 0.0)
        for index in range(15):
            for commit in commits(session.push(noise(made.segment_samples, index))):
                assert commit.span[1] == pytest.approx((index + 1) * segment_s, abs=2e-3)
                assert last[0] <= commit.span[0] < commit.span[1]
                last = commit.span
        for commit in commits(session.finish()):
            assert last[0] <= commit.span[0] <= commit.span[1] <= 15 * segment_s + 1e-3
            last = commit.span


def test_spans_do_not_go_back_when_the_wait_grows(plain):
    session = plain.open(request(WaitK(1, 1)))
    before = commits(session.push(noise(6 * plain.segment_samples)))
    session.update(policy=WaitK(5, 1))
    after = commits(session.push(noise(3 * plain.segment_samples, 1)))
    starts = [commit.span[0] for commit in before + after]
    assert starts == sorted(starts)


class Recording:
    """A policy that remembers what it was shown."""

    def __init__(self, policy):
        self.policy, self.views = policy, []
        self.needs_draft = policy.needs_draft

    def decide(self, view):
        self.views.append(view)
        return self.policy.decide(view)


def test_wait_k_reads_k_segments_and_then_writes_at_most_n_words(plain):
    session = plain.open(request(WaitK(3, 2)))
    for index in range(8):
        events = session.push(noise(plain.segment_samples, index))
        text = "".join(event.text for event in commits(events))
        assert not text or index >= 2
        assert len(text.split()) <= 2


def test_hold_n_shows_what_it_keeps_back(plain):
    session = plain.open(request(HoldN(2)))
    events = []
    for index in range(5):
        new = session.push(noise(plain.segment_samples, index))
        events += new
        drafts = [event for event in new if isinstance(event, Draft)]
        if drafts:
            assert len(drafts[-1].text.split()) <= 2
    assert [event for event in events if isinstance(event, Draft)]
    assert commits(events)
    shown = shown_text(events)
    events += session.finish()
    assert shown_text(events) == "".join(event.text for event in commits(events))
    assert shown.split()[0] == shown_text(events).split()[0]


def test_a_draft_is_shown_again_after_a_commit(plain):
    """A commit takes the place of the draft, so the same draft has to be sent once more."""
    session = plain.open(request(HoldN(1)))
    for index in range(6):
        kinds = [type(e) for e in session.push(noise(plain.segment_samples, index))]
        if Commit in kinds and session.progress.drafted:
            assert kinds[-1] is Draft


def test_a_draft_goes_when_the_policy_no_longer_drafts(plain):
    session = plain.open(request(HoldN(50)))
    events = session.push(noise(3 * plain.segment_samples))
    assert session.progress.drafted
    session.update(policy=WaitK(1, 1))
    events += session.push(noise(2 * plain.segment_samples, 1)) + session.finish()
    assert shown_text(events) == "".join(event.text for event in commits(events))


def test_a_policy_sees_counts_and_candidates(plain):
    policy = Recording(HoldN(1))
    session = plain.open(request(policy))
    session.push(noise(3 * plain.segment_samples))
    session.finish()
    assert [view.segments_read for view in policy.views] == sorted(
        view.segments_read for view in policy.views
    )
    assert all(view.candidate is not None for view in policy.views)
    words = 0
    for view in policy.views:
        assert view.words_written == words
        action = policy.policy.decide(view)
        if isinstance(action, Write) and not isinstance(action, Read):
            words += min(action.n or 10**6, len(view.candidate))


def test_finish_without_audio(plain):
    session = plain.open(request())
    assert session.finish() == [Finished()]
    assert session.finish() == []


def test_silence_after_the_end_lets_a_holding_model_finish():
    """k - 1 silent segments; a faithful model gets none, but always one to stand on."""
    for faithful, k, pushed, expected in (
        (False, 3, 4, 6),
        (True, 3, 4, 5),
        (True, 3, 3.5, 4),
        (False, 1, 2, 3),
        (False, 1, 1.5, 2),
    ):
        made = interpreter(faithful=faithful)
        session = made.open(request(WaitK(k, 1)))
        session.push(noise(int(pushed * made.segment_samples)))
        session.finish()
        assert session.progress.segments == expected


def test_a_released_row_is_used_again_and_clean():
    made = interpreter()
    audio = noise(4 * made.segment_samples, 3)
    expected = translate(made, audio)
    for seed in range(3):
        other = made.open(request(WaitK(1, 3)))
        assert other.row == 0
        other.push(noise(5 * made.segment_samples, seed))
        other.finish()
    assert translate(made, audio) == expected
    assert made.cache.rows == 1


def test_a_dropped_session_gives_its_row_back():
    made = interpreter()
    session = made.open(request())
    session.push(noise(2 * made.segment_samples))
    assert session.row == 0
    del session
    gc.collect()
    again = made.open(request())
    assert again.row == 0
    assert int(made.cache.length[0]) == 0


def test_a_finished_session_that_is_collected_late_frees_nothing():
    """Its row may belong to another listener by then."""
    made = interpreter(rows=2)
    old = made.open(request())
    old.finish()
    current = made.open(request())
    assert current.row == old.row
    del old
    gc.collect()
    newcomer = made.open(request())
    assert newcomer.row != current.row
    assert made.advance([current, newcomer]) == [[], []]


def test_opening_more_streams_than_rows_keeps_those_that_run():
    made = interpreter()
    audio = noise(5 * made.segment_samples)
    expected = translate(made, audio)
    half = 2 * made.segment_samples + 77
    session = made.open(request())
    events = session.push(Audio(audio.samples[:, :half]))
    others = [made.open(request()) for _ in range(4)]
    assert made.cache.rows == made.speech_state.rows == 8
    events += session.push(Audio(audio.samples[:, half:])) + session.finish()
    assert events == expected
    assert len({other.row for other in others} | {session.row}) == 5


def test_sessions_of_another_interpreter_are_refused(plain):
    stranger = interpreter().open(request())
    own = plain.open(request())
    own.feed(noise(plain.segment_samples))
    with pytest.raises(UsageError, match="another interpreter"):
        plain.advance([own, stranger])
    with pytest.raises(UsageError, match="given twice"):
        plain.advance([own, own])
    assert own.lag_s == pytest.approx(plain.segment_samples / 16000), "nothing was taken"


def test_languages_are_checked(plain):
    assert plain.open(Request("en-GB", "de-AT")).stream.language == "de"
    with pytest.raises(UsageError, match="tgt_lang is 'fr'; this model has 'de'"):
        plain.open(Request("en", "fr"))


def test_updates(plain):
    session = plain.open(request())
    with pytest.raises(UsageError, match="policy is 3"):
        session.update(policy=3)
    with pytest.raises(UsageError, match="'speed'"):
        session.update(speed=2)
    assert session.update(policy=WaitK(1, 1)) == []
    session.finish()
    with pytest.raises(UsageError, match="finished"):
        session.update(policy=WaitK(1, 1))


def test_without_left_padding_the_last_second_is_not_lost():
    """As in the authors' code, a block then comes a segment late: the end waits for it."""
    system = fasst("waveform", faithful=True)
    frontend = system.config.encoder.frontend.model_copy(update={"left_pad": False})
    encoder = system.config.encoder.model_copy(update={"frontend": frontend})
    late = type(system)(system.config.model_copy(update={"encoder": encoder})).eval()
    late.load_state_dict(system.state_dict())
    assert (system.late_segments, late.late_segments) == (0, 1)
    made = late.requires_grad_(False).interpreter(tokenizer())
    session = made.open(request(WaitK(2, 1)))
    session.push(noise(int(3.5 * made.segment_samples)))
    session.finish()
    kind = made.cache.kind[session.row, : int(made.cache.length[session.row])]
    embeddings = 4 * late.config.encoder.block_frames // 4
    assert int((kind == SPEECH).sum()) == embeddings
    samples = torch.randn(1, 4 * late.segment_samples)
    segment = late.segment_of(late(samples).shape[1])
    assert int(segment.min()) == 2
    assert int(segment.max()) == 4
