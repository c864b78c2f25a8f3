"""Sentences spoken by festival, in one batch process per call.

A Scheme program synthesises every sentence, saves its wave and prints, for each segment, the end
time and the number of its token, read from the utterance's relations; so word times are exact.

    T 1 The            token 1 of the present utterance
    S 0.220 pau 0      segment, its end in seconds, its token (0: none)
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from earvoice.data.manifest import PAUSE, TimedPhone
from earvoice.data.synth.phones import from_arpabet
from earvoice.data.synth.speech import Prosody, Speech, finish, spoken_text, word_times
from earvoice.errors import AudioError, UsageError

_TIMEOUT_S = 300.0
_DUMP = """
(define (number_tokens token n)
  (while token
    (item.set_feat token "number" n)
    (format t "T %d %s\\n" n (item.name token))
    (set! n (+ n 1))
    (set! token (item.next token))))
(define (print_segments segment)
  (while segment
    (format t "S %f %s %s\\n" (item.feat segment "end") (item.name segment)
      (item.feat segment "R:SylStructure.parent.parent.R:Token.parent.number"))
    (set! segment (item.next segment))))
(define (say text stretch path)
  (Parameter.set 'Duration_Stretch stretch)
  (let ((utt (SynthText text)))
    (format t "U\\n")
    (number_tokens (utt.relation.first utt 'Token) 1)
    (print_segments (utt.relation.first utt 'Segment))
    (utt.save.wave utt path 'riff)))
"""


class FestivalSynthesizer:
    """Speaks with the `festival` program. Diphone voices follow `tempo`; HTS voices do not."""

    def __init__(self) -> None:
        program = shutil.which("festival")
        if program is None:
            raise UsageError("festival is not installed: install the system package festival")
        self._program = program
        said = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
        numbers = [word for word in said.stdout.split() if word[:1].isdigit()]
        self.version = f"festival {numbers[0].rstrip(':')}" if numbers else "festival"

    def installed_voices(self) -> list[str]:
        """What festival's `(voice.list)` says."""
        printed = self._run("(print (voice.list))")
        return printed.replace("(", " ").replace(")", " ").split()

    def speak(
        self, sentences: Sequence[Sequence[str]], voice: str, prosodies: Sequence[Prosody]
    ) -> list[Speech]:
        """Says each sentence; see `Synthesizer.speak`. `pitch` and `liveliness` have no effect."""
        if not voice.replace("_", "").isalnum():
            raise UsageError(f"{voice!r} is not the name of a festival voice")
        with tempfile.TemporaryDirectory() as folder:
            lines = [_DUMP, f"(voice_{voice})"]
            for number, (words, prosody) in enumerate(zip(sentences, prosodies, strict=True)):
                text = spoken_text(words).replace("\\", "").replace('"', '\\"')
                path = Path(folder) / f"{number}.wav"
                stretch = prosody.size / prosody.tempo
                lines.append(f'(say "{text}" {stretch:.4f} "{path}")')
            printed = self._run("\n".join(lines))
            utterances = printed.split("U\n")[1:]
            if len(utterances) != len(sentences):
                raise AudioError(
                    f"festival said {len(utterances)} of {len(sentences)} sentences; "
                    f"is its voice {voice} installed?"
                )
            return [
                _speech(utterance, words, Path(folder) / f"{number}.wav", prosody)
                for number, (utterance, words, prosody) in enumerate(
                    zip(utterances, sentences, prosodies, strict=True)
                )
            ]

    def _run(self, program: str) -> str:
        with tempfile.NamedTemporaryFile("w", suffix=".scm", encoding="latin-1") as script:
            script.write(program)
            script.flush()
            try:
                said = subprocess.run(
                    [self._program, "-b", script.name],
                    capture_output=True, text=True, timeout=_TIMEOUT_S, check=False,
                    encoding="latin-1",
                )  # fmt: skip
            except subprocess.TimeoutExpired as error:
                raise AudioError(f"festival did not answer within {_TIMEOUT_S} s") from error
        if said.returncode != 0:
            raise AudioError(f"festival failed: {said.stderr.strip()[:200]}")
        return said.stdout


def _speech(printed: str, words: Sequence[str], path: Path, prosody: Prosody) -> Speech:
    samples, rate = soundfile.read(path, dtype="float32")
    length_s = len(samples) / rate
    tokens: list[str] = []
    phones: list[TimedPhone] = []
    numbers: list[int] = []
    start_s = 0.0
    for line in printed.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "T":
            tokens.append(rest.partition(" ")[2])
        elif kind == "S":
            end, name, number = rest.split()
            end_s = min(max(float(end), start_s), length_s)
            phones.append(TimedPhone(from_arpabet(name), start_s, end_s))
            numbers.append(int(float(number)) - 1)
            start_s = end_s
    words_of = _words_of_tokens(tokens, words)
    sounding = [
        (phone, words_of[number])
        for phone, number in zip(phones, numbers, strict=True)
        if phone.symbol != PAUSE and number >= 0
    ]
    spans = word_times([p for p, _ in sounding], [owner for _, owner in sounding], len(words))
    return finish(np.ascontiguousarray(samples), rate, prosody.size, spans, phones)


def _words_of_tokens(tokens: Sequence[str], words: Sequence[str]) -> list[int]:
    """The word each festival token belongs to: by counting letters, as punctuation is moved."""
    ends = []
    total = 0
    for word in words:
        total += _letters(word)
        ends.append(total)
    owners = []
    seen = 0
    for token in tokens:
        owners.append(next((k for k, end in enumerate(ends) if end > seen), len(words) - 1))
        seen += _letters(token)
    return owners


def _letters(text: str) -> int:
    return sum(character.isalnum() for character in text)
