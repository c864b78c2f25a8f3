"""When each utterance of a dialogue is said: pauses, overlap, back-channels.

    self   [ question ]                      [ statement              ]
    other              . [ answer ]     <->[ early ]      [ mhm ]
                      pause          overlap            back-channel, inside

Nobody overlaps himself, and utterances begin in the order of the dialogue.
"""

from __future__ import annotations

import numpy as np

from earvoice.data.synth.conversation.dialogue import Utterance
from earvoice.units import Seconds

_PAUSE_S = (0.12, 0.9)
_EARLY_S = (0.15, 0.9)
_SAME_SPEAKER_S = (0.08, 0.5)
_EDGE_S = (0.2, 0.8)
_SIMULTANEOUS = 0.12
"""Share of the overlaps that are whole: both start at nearly the same time."""


class Timeline:
    """Places utterances one after the other; `end_s` is when everybody is silent."""

    def __init__(self, overlap: float, rng: np.random.Generator) -> None:
        self._rng, self._overlap = rng, overlap
        self._free_s = {"self": 0.0, "other": 0.0}
        self._last: tuple[str, Seconds, Seconds] | None = None
        self.end_s: Seconds = float(rng.uniform(*_EDGE_S))

    def place(self, utterance: Utterance, duration_s: Seconds) -> Seconds:
        """The time at which an utterance of this length begins."""
        speaker = utterance.speaker
        start_s = max(self._start(utterance, duration_s), self._free_s[speaker])
        is_murmur = utterance.kind == "back-channel" and self._last is not None
        if not is_murmur or self._overlap == 0:
            self._last = (speaker, start_s, start_s + duration_s)
        self._free_s[speaker] = start_s + duration_s + 0.05
        self.end_s = max(self.end_s, start_s + duration_s)
        return start_s

    def _start(self, utterance: Utterance, duration_s: Seconds) -> Seconds:
        if self._last is None:
            return self.end_s
        speaker, begun_s, ended_s = self._last
        if speaker == utterance.speaker:
            return self.end_s + float(self._rng.uniform(*_SAME_SPEAKER_S))
        if self._overlap > 0 and utterance.kind == "back-channel":
            return begun_s + float(self._rng.uniform(0.35, 0.9)) * (ended_s - begun_s)
        if self._rng.random() >= self._overlap:
            return self.end_s + float(self._rng.uniform(*_PAUSE_S))
        if self._rng.random() < _SIMULTANEOUS:
            return begun_s + float(self._rng.uniform(0.1, 0.4))
        early_s = float(self._rng.uniform(*_EARLY_S))
        return max(ended_s - early_s, begun_s + 0.3 * (ended_s - begun_s))


def pause_after_s(rng: np.random.Generator) -> Seconds:
    """Silence at the end of a recording."""
    return float(rng.uniform(*_EDGE_S))
