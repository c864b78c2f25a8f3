"""The synthesizers by name: which are installed, and opening one."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from earvoice.data.synth.speech import Synthesizer
from earvoice.data.synth.voices import Voice, VoiceSplit, voices
from earvoice.errors import UsageError

ENGINES = ("espeak", "flite", "festival")


def open_synthesizer(engine: str, seed: int = 0) -> Synthesizer:
    """A synthesizer in its fresh state. Raises `UsageError` where it is not installed."""
    if engine == "espeak":
        from earvoice.data.synth.espeak import EspeakSynthesizer

        return EspeakSynthesizer(seed)
    if engine == "flite":
        from earvoice.data.synth.flite import FliteSynthesizer

        return FliteSynthesizer()
    if engine == "festival":
        from earvoice.data.synth.festival import FestivalSynthesizer

        return FestivalSynthesizer()
    raise UsageError(f"there is no synthesizer {engine!r}; there are {', '.join(ENGINES)}")


def is_installed(engine: str) -> bool:
    """Whether the engine can be opened on this machine."""
    if engine != "espeak":
        return shutil.which(engine) is not None
    from earvoice.data.synth.espeak_library import load_library

    try:
        load_library()
    except UsageError:
        return False
    return True


def usable_voices(engine: str, splits: Sequence[VoiceSplit]) -> list[Voice]:
    """The table's voices of an engine that this machine has."""
    known = [voice for split in splits for voice in voices(engine, split)]
    if engine != "festival" or not known:
        return known
    from earvoice.data.synth.festival import FestivalSynthesizer

    present = set(FestivalSynthesizer().installed_voices())
    return [voice for voice in known if voice.name in present]
