"""Sentences spoken by flite, through its command line.

`flite -psdur` prints each phone with its end time but not the words, so flite is also asked for
the phones of every word alone (many in one call, remembered) and `word_split` aligns the two.

    pau:0.220 dh:0.254 ax:0.292 w:0.368 ...        end times in seconds, pauses included
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import soundfile

from earvoice.data.manifest import PAUSE, TimedPhone
from earvoice.data.synth.phones import from_arpabet
from earvoice.data.synth.speech import Prosody, Speech, finish, spoken_text, word_times
from earvoice.data.synth.word_split import split_phones
from earvoice.errors import AudioError, UsageError

_TIMEOUT_S = 60.0
_MARKS = '.,;:?!"()'


class FliteSynthesizer:
    """Speaks with the `flite` program (voices kal, kal16, awb, rms, slt). Deterministic."""

    def __init__(self) -> None:
        program = shutil.which("flite")
        if program is None:
            raise UsageError("flite is not installed: install the system package flite")
        self._program = program
        said = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
        words = (said.stdout + said.stderr).split()
        numbers = [word for word in words if word.startswith("flite-")]
        self.version = numbers[0].replace("flite-", "flite ") if numbers else "flite"
        self._citations: dict[tuple[str, str], tuple[str, ...]] = {}

    def speak(
        self, sentences: Sequence[Sequence[str]], voice: str, prosodies: Sequence[Prosody]
    ) -> list[Speech]:
        """Says each sentence; see `Synthesizer.speak`. `liveliness` has no effect."""
        self._learn((word for words in sentences for word in words), voice)
        return [
            self._speak_one(words, voice, prosody)
            for words, prosody in zip(sentences, prosodies, strict=True)
        ]

    def _speak_one(self, words: Sequence[str], voice: str, prosody: Prosody) -> Speech:
        stretch = prosody.size / prosody.tempo
        shift = 2.0 ** (prosody.pitch / 12.0)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "said.wav"
            printed = self._run(
                voice, "--setf", f"duration_stretch={stretch:.4f}", "--setf",
                f"f0_shift={shift:.4f}", "-psdur", "-t", _one_utterance(words), "-o", str(path),
            )  # fmt: skip
            samples, rate = soundfile.read(path, dtype="float32")
        phones = _timed(printed, len(samples) / rate)
        sounding = [phone for phone in phones if phone.symbol != PAUSE]
        citations = [self._citations[voice, _bare(word)] for word in words]
        owners = split_phones([phone.symbol for phone in sounding], citations)
        spans = word_times(sounding, owners, len(words))
        return finish(np.ascontiguousarray(samples), rate, prosody.size, spans, phones)

    def _learn(self, words: Iterable[str], voice: str) -> None:
        """Asks for the citation forms not yet known, all in one call where that is unambiguous."""
        known = {word for said_by, word in self._citations if said_by == voice}
        new = sorted({_bare(word) for word in words} - known)
        self._citations.update({(voice, word): () for word in new if not word})
        new = [word for word in new if word]
        if not new:
            return
        groups = self._pronounce(new, voice)
        if len(groups) != len(new):
            # A word that flite reads as two: ask for each word alone.
            alone = [self._pronounce([word], voice) for word in new]
            groups = [tuple(phone for group in said for phone in group) for said in alone]
        self._citations.update({(voice, w): g for w, g in zip(new, groups, strict=True)})

    def _pronounce(self, words: Sequence[str], voice: str) -> list[tuple[str, ...]]:
        """The phones between pauses when each word is a sentence of its own."""
        text = " ".join(f"{word}." for word in words)
        return _groups(self._run(voice, "-ps", "-t", text, "-o", "none"))

    def _run(self, voice: str, *arguments: str) -> str:
        command = [self._program, "-voice", voice, *arguments]
        try:
            said = subprocess.run(
                command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise AudioError(f"flite did not answer within {_TIMEOUT_S} s") from error
        if said.returncode != 0:
            raise AudioError(f"flite failed ({said.returncode}): {said.stderr.strip()[:200]}")
        return said.stdout


def _bare(word: str) -> str:
    return word.strip(_MARKS)


def _one_utterance(words: Sequence[str]) -> str:
    """The text, with stops inside it softened: flite would restart its clock after each."""
    inner = [word.rstrip(".?!") + "," if word[-1:] in ".?!" else word for word in words[:-1]]
    return spoken_text([*inner, *words[-1:]])


def _groups(printed: str) -> list[tuple[str, ...]]:
    """Phones between pauses."""
    groups: list[tuple[str, ...]] = []
    present: list[str] = []
    for symbol in [*(from_arpabet(name) for name in printed.split()), PAUSE]:
        if symbol != PAUSE:
            present.append(symbol)
        elif present:
            groups.append(tuple(present))
            present = []
    return groups


def _timed(printed: str, length_s: float) -> list[TimedPhone]:
    """The phones of `-psdur`, none beyond the end of the audio."""
    phones = []
    start_s = 0.0
    for entry in printed.split():
        name, _, end = entry.rpartition(":")
        end_s = min(max(float(end), start_s), length_s)
        phones.append(TimedPhone(from_arpabet(name), start_s, end_s))
        start_s = end_s
    return phones
