"""libespeak-ng through ctypes: the calls we need and its callback turned into records.

The library is GPL, so it is loaded at run time and never shipped: from the `espeakng_loader`
package (the extra `synth`) or the system's libespeak-ng. It keeps its state in global variables
(one per process) and must not be terminated and initialised again: 1.51 hangs.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earvoice.errors import UsageError

RATE, VOLUME, PITCH, RANGE = 1, 2, 3, 4
"""espeak_PARAMETER: words a minute; 0..200, 100 normal; 0..99, 50 normal; 0..99, 50 normal."""

WORD, PHONEME = 1, 7
_SYNCHRONOUS = 2
_WITH_PHONEMES = 1
_POSITION_CHARACTER = 1
_CHARS_UTF8 = 1


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True, slots=True)
class Mark:
    """A WORD or PHONEME event: the sample it starts at, the 1-based position in the text."""

    kind: int
    sample: int
    position: int
    mnemonic: str


class EspeakLibrary:
    """The loaded library. Not thread-safe; get it from `load_library`, which makes only one."""

    def __init__(self, library: ctypes.CDLL, data_path: str | None) -> None:
        self._library = library
        self._audio: list[NDArray[np.int16]] = []
        self._marks: list[Mark] = []
        self._callback = _Callback(self._receive)
        self._voice = ""
        path = data_path.encode() if data_path else None
        self.rate = int(library.espeak_Initialize(_SYNCHRONOUS, 0, path, _WITH_PHONEMES))
        if self.rate <= 0:
            raise UsageError(f"espeak-ng finds no voice data in {data_path or 'its own folder'}")
        library.espeak_SetSynthCallback(self._callback)
        library.espeak_Info.restype = ctypes.c_char_p
        library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        where = ctypes.c_char_p()
        version = library.espeak_Info(ctypes.byref(where)).decode().split()[0]
        self.version = f"espeak-ng {version}"
        self._variants = Path((where.value or b"").decode()) / "voices" / "!v"

    def _receive(self, wave: Any, count: int, events: Any) -> int:
        if wave and count > 0:
            self._audio.append(np.ctypeslib.as_array(wave, (count,)).copy())
        index = 0
        while events[index].type:
            event = events[index]
            if event.type in (WORD, PHONEME):
                name = event.id.string.decode("utf-8", "replace") if event.type == PHONEME else ""
                self._marks.append(Mark(event.type, event.sample, event.text_position, name))
            index += 1
        return 0

    def seed(self, value: int) -> None:
        """Seeds the random numbers that flutter and breath are made of.

        1.52 has a generator of its own, 1.51 uses the C library's.
        """
        bounded = value & 0x7FFFFFFF
        if hasattr(self._library, "espeak_ng_SetRandSeed"):
            self._library.espeak_ng_SetRandSeed(ctypes.c_long(bounded))
        else:
            ctypes.CDLL(None).srand(ctypes.c_uint(bounded))

    def set_voice(self, name: str) -> None:
        """Selects a voice such as `en-us+f3`."""
        if name == self._voice:
            return
        variant = name.partition("+")[2]
        # The library takes an unknown variant without a word and speaks with the plain voice.
        known = not variant or (self._variants / variant).is_file()
        if not known or self._library.espeak_SetVoiceByName(name.encode()) != 0:
            raise UsageError(f"espeak-ng has no voice {name!r}; `espeak-ng --voices=en` lists them")
        self._voice = name

    def set_parameter(self, parameter: int, value: int) -> None:
        """Sets RATE, VOLUME, PITCH or RANGE for what is said next."""
        self._library.espeak_SetParameter(parameter, value, 0)

    def say(self, text: str) -> tuple[NDArray[np.int16], list[Mark]]:
        """Speaks plain text: samples at `rate`, and the events in order."""
        self._audio, self._marks = [], []
        encoded = text.encode()
        status = self._library.espeak_Synth(
            encoded, ctypes.c_size_t(len(encoded) + 1), 0, _POSITION_CHARACTER, 0, _CHARS_UTF8,
            None, None,
        )  # fmt: skip
        if status != 0 or not self._audio:
            raise UsageError(f"espeak-ng could not say {text!r} (status {status})")
        self._library.espeak_Synchronize()
        return np.concatenate(self._audio), self._marks

    def mnemonics(self, word: str) -> list[str]:
        """The phoneme mnemonics of a word said alone by the present voice."""
        pointer = ctypes.c_char_p(word.encode())
        said = self._library.espeak_TextToPhonemes(
            ctypes.byref(pointer), _CHARS_UTF8, ord("_") << 8
        )
        return [name for name in (said or b"").decode().replace(" ", "_").split("_") if name]


@cache
def load_library() -> EspeakLibrary:
    """The process' one espeak-ng. Raises `UsageError` naming what to install."""
    if importlib.util.find_spec("espeakng_loader") is not None:
        import espeakng_loader

        path, data = espeakng_loader.get_library_path(), espeakng_loader.get_data_path()
        return EspeakLibrary(ctypes.CDLL(str(path)), str(data))
    name = ctypes.util.find_library("espeak-ng") or "libespeak-ng.so.1"
    try:
        return EspeakLibrary(ctypes.CDLL(name), None)
    except OSError as error:
        raise UsageError(
            "espeak-ng is not installed: install the extra earvoice[synth] or the system "
            "package libespeak-ng1"
        ) from error
