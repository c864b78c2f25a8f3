"""Single utterances, each as often as any other, in batches of about equal length.

Windows of utterances usually hold as many sentences as fit, and a short utterance fits more often
than a long one. Published recipes count epochs over utterances instead; this is how they draw.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Sequence
from itertools import accumulate

from earvoice.data.manifest import Talk
from earvoice.data.windows import EARLIEST_S
from earvoice.errors import ConfigError
from earvoice.units import Seconds

_log = logging.getLogger("earvoice.train")


class Singles:
    """Utterances by how many segments they need.

    Args: segments: least and most; who needs fewer gets the least, who needs more is left out.
        least_s: shorter ones are left out. batch_s: seconds in a batch.
    Raises: ConfigError when none is left.
    """

    def __init__(
        self,
        talks: Sequence[Talk],
        segment_s: Seconds,
        segments: tuple[int, int],
        least_s: Seconds,
        batch_s: Seconds,
        stage: str,
    ) -> None:
        self._segment_s, self._batch_s = segment_s, batch_s
        self._of_need: dict[int, list[tuple[Talk, int]]] = {}
        left_out = 0
        for talk in talks:
            for number, sentence in enumerate(talk.sentences):
                length_s = sentence.end_s - sentence.start_s
                need = max(segments[0], math.ceil((length_s + EARLIEST_S) / segment_s))
                if length_s < least_s or need > segments[1]:
                    left_out += 1
                else:
                    self._of_need.setdefault(need, []).append((talk, number))
        if left_out:
            _log.warning("stage %s: %d utterances are too short or too long", stage, left_out)
        if not self._of_need:
            raise ConfigError(
                f"stage {stage!r}: no utterance of {least_s:g} to {segments[1] * segment_s:g} s; "
                "change `least_s` or `segments`"
            )
        self._needs = sorted(self._of_need)
        # A batch of short ones has more of them, so it must come less often.
        self._weights = list(
            accumulate(len(self._of_need[need]) / self.size(need) for need in self._needs)
        )

    def size(self, need: int) -> int:
        """Utterances in a batch of those that need so many segments."""
        return max(1, round(self._batch_s / (need * self._segment_s)))

    def draw(self, rng: random.Random) -> tuple[int, list[tuple[Talk, int]]]:
        """The segments that a batch needs, and its utterances: talk and number of the sentence."""
        (need,) = rng.choices(self._needs, cum_weights=self._weights)
        return need, rng.choices(self._of_need[need], k=self.size(need))
