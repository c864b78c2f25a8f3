"""Microphone arrays: where each microphone sits on the wearer's head, and where the mouth is.

    x forward, y to the wearer's left, z up; metres from the middle of the head at ear height

`GLASSES` are five of the seven microphones of the Aria glasses (large size), whose positions the
CHiME-8 and CHiME-9 challenges publish with their recordings. JSTAR uses five of them too, which
ones is not stated; ours are those that differ most in height and depth, which is what tells the
mouth from the room. The mouth is 7 cm below the lenses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earvoice.errors import AudioError

SPEED_OF_SOUND_M_S = 343.0

Point = tuple[float, float, float]


@dataclass(frozen=True)
class MicrophoneArray:
    """Named microphones and the wearer's mouth, in metres. `reference` is a microphone's index."""

    name: str
    microphones: tuple[str, ...]
    positions_m: tuple[Point, ...]
    mouth_m: Point
    reference: int = 0

    def __post_init__(self) -> None:
        if len(self.microphones) != len(self.positions_m) or not self.microphones:
            raise AudioError(
                f"the array {self.name} names {len(self.microphones)} microphones and "
                f"{len(self.positions_m)} positions; there must be as many, at least one"
            )
        if not 0 <= self.reference < len(self.microphones):
            raise AudioError(
                f"the array {self.name} has the reference {self.reference}, "
                f"it must be 0 to {len(self.microphones) - 1}"
            )

    @property
    def channels(self) -> int:
        """Number of microphones."""
        return len(self.microphones)

    def positions(self) -> NDArray[np.float64]:
        """[C, 3] in metres."""
        return np.asarray(self.positions_m, dtype=np.float64)

    def distances(self) -> NDArray[np.float64]:
        """Between each two microphones, [C, C] in metres."""
        places = self.positions()
        gaps: NDArray[np.float64] = np.linalg.norm(places[:, None] - places[None], axis=-1)
        return gaps


GLASSES = MicrophoneArray(
    name="glasses",
    microphones=("nose bridge", "lower left", "lower right", "rear left", "rear right"),
    positions_m=(
        (0.1059, 0.0074, 0.0507),
        (0.0995, 0.0449, 0.0076),
        (0.0995, -0.0476, 0.0068),
        (-0.0048, 0.0775, 0.0349),
        (-0.0042, -0.0845, 0.0335),
    ),
    mouth_m=(0.095, 0.0, -0.065),
)

SINGLE = MicrophoneArray(
    "single", GLASSES.microphones[:1], GLASSES.positions_m[:1], GLASSES.mouth_m
)

ARRAYS = {array.name: array for array in (GLASSES, SINGLE)}


def array_named(name: str) -> MicrophoneArray:
    """An array of `ARRAYS`. Errors: `AudioError` naming those there are."""
    if name not in ARRAYS:
        raise AudioError(f"there is no array {name!r}; there are {', '.join(ARRAYS)}")
    return ARRAYS[name]


def check_array_channels(found: int, array: MicrophoneArray) -> None:
    """Whether audio of `found` channels can come from the array.

    Errors: `AudioError` saying how many channels there must be, and which.
    """
    if found != array.channels:
        names = ", ".join(array.microphones)
        raise AudioError(
            f"the audio has {found} channel{'s' if found != 1 else ''}, this model needs "
            f"{array.channels}, in this order: {names}"
        )
