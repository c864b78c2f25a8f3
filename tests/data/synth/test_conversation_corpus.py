"""Corpora of conversations: the same for the same arguments, whole after a crash, checked."""

import json

import numpy as np
import pytest

pytest.importorskip("pyroomacoustics")

from earvoice.audio.arrays import GLASSES, SINGLE
from earvoice.data.conversations import load_conversations
from earvoice.data.synth import rooms
from earvoice.data.synth.conversation.corpus import make_conversations, render_to_file
from earvoice.data.synth.conversation.plan import (
    SPLITS,
    ConversationSpec,
    plan_conversations,
)
from earvoice.data.synth.engines import is_installed
from earvoice.data.synth.folder import Job
from earvoice.data.synth.voices import espeak_variants
from earvoice.errors import DataError, UsageError

needs_espeak = pytest.mark.skipif(not is_installed("espeak"), reason="espeak-ng is not installed")


def spec(**changes):
    values = {"split": "dev", "hours": 0.004, "seed": 5, "minutes": (0.1, 0.13), "rooms": 2}
    return ConversationSpec(**values | changes)


def test_a_plan_is_a_function_of_the_arguments():
    plans = plan_conversations(spec(hours=0.2))
    assert plans == plan_conversations(spec(hours=0.2))
    assert plans != plan_conversations(spec(hours=0.2, seed=6))
    assert sum(plan.duration_s for plan in plans) >= 0.2 * 3600 - 1e-6


@pytest.mark.parametrize("split", SPLITS)
def test_people_have_different_voices_of_the_split(split):
    allowed = {v.name for kind in SPLITS[split][1] for v in espeak_variants(kind)}
    for plan in plan_conversations(spec(split=split, hours=0.1, bystander=1.0)):
        names = [voice.partition("+")[2] for voice in (*plan.voices, plan.bystander)]
        assert len(set(names)) == 3
        assert set(names) <= allowed
        assert sorted(plan.languages) == ["en", "es"]
        for voice, language in zip(plan.voices, plan.languages, strict=True):
            assert voice.startswith(language)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"pair": "en-de"}, "pair is 'en-de'"),
        ({"hours": 0}, "hours is 0"),
        ({"overlap": 2.0}, "overlap is 2.0"),
        ({"snrs": ("loud",)}, "'loud'"),
        ({"snrs": ()}, "snrs"),
        ({"array": "hat"}, "array is 'hat'"),
        ({"minutes": (3.0, 1.0)}, "minutes"),
        ({"split": "other"}, "split is 'other'"),
        ({"rooms": 0}, "rooms is 0"),
    ],
)
def test_illegal_arguments_are_named(changes, named):
    with pytest.raises(UsageError, match=named):
        spec(**changes)


@needs_espeak
@pytest.mark.slow
def test_a_corpus_is_reproducible_resumable_and_readable(tmp_path):
    record = make_conversations(spec(), tmp_path / "a", jobs=2)
    manifest = (tmp_path / "a" / "cuts.jsonl").read_bytes()
    first = next(iter(load_conversations(tmp_path / "a")))
    assert first.channels == 5
    assert first.read_samples(0, 100).shape == (5, 100)
    assert record["complete"]
    assert record["conversations"] == len(manifest.splitlines())

    whole = first.path.read_bytes()
    (tmp_path / "a" / "cuts.jsonl").write_bytes(manifest[:-40])  # a crash while writing
    make_conversations(spec(), tmp_path / "a", jobs=1)
    assert (tmp_path / "a" / "cuts.jsonl").read_bytes() == manifest
    assert first.path.read_bytes() == whole
    with pytest.raises(UsageError, match="arguments"):
        make_conversations(spec(seed=9), tmp_path / "a")


@needs_espeak
@pytest.mark.slow
def test_turns_are_where_their_sound_is(tmp_path):
    (plan, *_) = plan_conversations(spec(snrs=("clean",), bystander=0.0, overlap=0.0))
    (tmp_path / "audio").mkdir()
    line = render_to_file(Job(plan, tmp_path))
    (tmp_path / "cuts.jsonl").write_text(line + "\n")
    (conversation,) = load_conversations(tmp_path)
    samples = conversation.read_samples()
    silent = np.ones(samples.shape[1], dtype=bool)
    for before, turn in zip(conversation.turns, conversation.turns[1:], strict=False):
        assert turn.start_s >= before.end_s
    for turn in conversation.turns:
        silent[round(turn.start_s * 16000) : round((turn.end_s + 0.35) * 16000)] = False
        loud = samples[:, round(turn.start_s * 16000) : round(turn.end_s * 16000)].std()
        assert loud > 1e-3
        assert turn.phones
        assert " ".join(word.text for word in turn.words) == turn.text
    if silent.any():
        assert samples[:, silent].std() < 1e-3
    assert len(conversation.turns) == len(json.loads(line)["supervisions"])


def test_a_room_comes_from_its_cache(tmp_path):
    made = rooms.cached_scene(tmp_path, 3, 1, SINGLE)
    again = rooms.cached_scene(tmp_path, 3, 1, SINGLE)
    assert np.array_equal(made.mouth, again.mouth)
    assert (made.azimuths, made.size_m, made.rt60_s) == (again.azimuths, again.size_m, again.rt60_s)
    assert all(abs(azimuth) <= rooms.PARTNER_DEGREES for azimuth in made.azimuths)
    (file,) = tmp_path.iterdir()
    file.write_bytes(b"no room")
    with pytest.raises(DataError, match="not a readable room"):
        rooms.cached_scene(tmp_path, 3, 1, SINGLE)


def test_the_wearer_is_near_and_the_partner_is_not(tmp_path):
    scene = rooms.simulate(np.random.default_rng(1), GLASSES)
    near, far = (np.abs(r).max(axis=-1) for r in (scene.mouth, scene.partners))
    assert near.min() > 2 * far.max()
    delays = np.abs(scene.mouth).argmax(axis=-1)
    assert delays.max() < 20, "the wearer's voice comes within a millisecond"


def test_diffuse_noise_has_the_coherence_of_sound_from_everywhere():
    noise = rooms.diffuse_noise("white", 1 << 17, GLASSES, np.random.default_rng(0))
    frames = np.fft.rfft(noise.reshape(5, -1, 512) * np.hanning(512))
    cross = np.einsum("cnf,dnf->fcd", frames, frames.conj())
    power = np.einsum("fcc->fc", cross).real
    found = (cross / np.sqrt(power[:, :, None] * power[:, None, :])).real
    hertz = np.fft.rfftfreq(512, 1 / 16000)
    assert np.abs(found[5:200] - rooms.diffuse_coherence(GLASSES, hertz)[5:200]).max() < 0.25
    assert np.abs(found[5:200] - rooms.diffuse_coherence(GLASSES, hertz)[5:200]).mean() < 0.06


def test_a_line_that_is_no_conversation_is_named(tmp_path):
    (tmp_path / "cuts.jsonl").write_bytes(b"\xff\xfe\n")
    with pytest.raises(DataError, match="line 1 is not a conversation"):
        list(load_conversations(tmp_path))
