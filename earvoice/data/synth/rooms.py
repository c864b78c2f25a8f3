"""Rooms and microphones: image-source responses from each mouth to each microphone.

A scene is a room with the wearer somewhere in it: responses of the wearer's mouth, of a few
places of the partner (within 60 degrees of where the wearer looks) and of a few bystanders (all
round outside that). Sizes are those of AGADIR's simulator, 5 x 5 x 2 to 10 x 10 x 6 m. The head
casts no shadow: microphones are points in free space, and what the walls return is an image
source (pyroomacoustics), up to `_MOST_REFLECTIONS` of them; a room's last, faint tail is missing.

Responses start when sound leaves the mouth, so word times hold to the 3 to 9 ms it travels.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earvoice.audio.arrays import SPEED_OF_SOUND_M_S, MicrophoneArray
from earvoice.audio.signal import Float32
from earvoice.data.synth import acoustics
from earvoice.errors import DataError, UsageError
from earvoice.units import SAMPLE_RATE, Samples, Seconds

Float64 = NDArray[np.float64]

PARTNER_DEGREES = 60.0
_SIZES_M = ((5.0, 10.0), (5.0, 10.0), (2.2, 6.0))
_ABSORPTION = (0.25, 0.75)
_PARTNERS, _BYSTANDERS = 4, 2
_PARTNER_M, _BYSTANDER_M = (0.6, 2.0), (1.2, 3.5)
_MOST_REFLECTIONS = 10
_LENGTH_S = 0.4
_WALL_M = 0.4
_NOISE_PERIOD = 1 << 20
_FORMAT = 1


@dataclass(frozen=True)
class Scene:
    """One room. Responses float32: mouth [C, N], partners [P, C, N], bystanders [Q, C, N].

    `azimuths`: degrees of the partners, left of where the wearer looks is positive.
    """

    mouth: Float32
    partners: Float32
    bystanders: Float32
    azimuths: tuple[float, ...]
    size_m: tuple[float, float, float]
    rt60_s: Seconds


def simulate(rng: np.random.Generator, array: MicrophoneArray) -> Scene:
    """A random scene. Raises: UsageError where pyroomacoustics is not installed."""
    try:
        import pyroomacoustics
    except ImportError as error:
        raise UsageError(
            "rooms need pyroomacoustics, which is not installed: install earvoice[rooms]"
        ) from error
    size = np.array([rng.uniform(low, high) for low, high in _SIZES_M])
    absorption = float(rng.uniform(*_ABSORPTION))
    room = pyroomacoustics.ShoeBox(
        size, fs=SAMPLE_RATE, materials=pyroomacoustics.Material(absorption),
        max_order=_MOST_REFLECTIONS, air_absorption=True,
    )  # fmt: skip
    head = np.array([*(rng.uniform(1.0, side - 1.0) for side in size[:2]), 0.0])
    head[2] = rng.uniform(1.1, min(1.75, size[2] - 0.3))
    facing = float(rng.uniform(-180.0, 180.0))
    turned = _turn(facing)
    room.add_microphone_array((head + array.positions() @ turned.T).T)
    azimuths = [float(rng.uniform(-PARTNER_DEGREES, PARTNER_DEGREES)) for _ in range(_PARTNERS)]
    outside = [float(rng.uniform(75.0, 285.0)) for _ in range(_BYSTANDERS)]
    room.add_source(head + turned @ np.array(array.mouth_m))
    for azimuth, reach in [(a, _PARTNER_M) for a in azimuths] + [
        (a, _BYSTANDER_M) for a in outside
    ]:
        room.add_source(_place(head, facing + azimuth, float(rng.uniform(*reach)), size, rng))
    room.compute_rir()
    responses = _trimmed(room.rir, array.channels, 1 + _PARTNERS + _BYSTANDERS)
    return Scene(
        mouth=responses[0],
        partners=responses[1 : 1 + _PARTNERS],
        bystanders=responses[1 + _PARTNERS :],
        azimuths=tuple(round(azimuth, 1) for azimuth in azimuths),
        size_m=_three(size),
        rt60_s=_sabine_s(size, absorption),
    )


def _three(size: Float64) -> tuple[float, float, float]:
    x, y, z = (round(float(side), 2) for side in size)
    return x, y, z


def _turn(degrees: float) -> Float64:
    """Rotation about the vertical, [3, 3]."""
    angle = np.deg2rad(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def _place(
    head: Float64, azimuth: float, distance_m: float, size: Float64, rng: np.random.Generator
) -> Float64:
    """A mouth at a distance in a direction; a wall in the way brings it nearer."""
    place = head + _turn(azimuth) @ np.array([distance_m, 0.0, 0.0])
    place[2] += rng.uniform(-0.25, 0.15)
    share = 1.0
    for axis in (0, 1):
        step = place[axis] - head[axis]
        room = (size[axis] - _WALL_M - head[axis]) if step > 0 else (head[axis] - _WALL_M)
        share = min(share, room / max(abs(step), 1e-9))
    place[:2] = head[:2] + share * (place[:2] - head[:2])
    place[2] = min(max(place[2], 0.8), size[2] - 0.2)
    return np.asarray(place, dtype=np.float64)


def _trimmed(rir: Sequence[Sequence[Float64]], channels: int, sources: int) -> Float32:
    """[sources, C, N]: cut to one length, without the delay of the interpolation filter."""
    import pyroomacoustics

    delay = int(pyroomacoustics.constants.get("frac_delay_length")) // 2
    length = round(_LENGTH_S * SAMPLE_RATE)
    out = np.zeros((sources, channels, length), dtype=np.float32)
    for channel in range(channels):
        for source in range(sources):
            response = rir[channel][source][delay : delay + length]
            out[source, channel, : len(response)] = response
    return out


def _sabine_s(size: Float64, absorption: float) -> Seconds:
    x, y, z = (float(side) for side in size)
    surface = 2.0 * (x * y + y * z + x * z)
    return round(24.0 * float(np.log(10.0)) / SPEED_OF_SOUND_M_S * x * y * z
                 / (surface * absorption), 3)  # fmt: skip


def cached_scene(folder: Path, seed: int, index: int, array: MicrophoneArray) -> Scene:
    """Scene `index` of a seed, from the cache in `folder`, made there if it is missing.

    Several processes may ask for the same one: it is written under another name, then renamed.
    Raises: DataError for a file of the cache that cannot be read.
    """
    description = json.dumps([_FORMAT, seed, index, array.positions_m, array.mouth_m])
    key = hashlib.sha256(description.encode()).hexdigest()[:16]
    path = folder / f"room-{key}.npz"
    if path.is_file():
        return _read(path)
    folder.mkdir(parents=True, exist_ok=True)
    scene = simulate(np.random.default_rng([seed, index, _FORMAT]), array)
    partial = path.with_name(f"{path.stem}.{np.random.default_rng().integers(2**62)}.partial")
    meta = {"azimuths": scene.azimuths, "size_m": scene.size_m, "rt60_s": scene.rt60_s}
    with partial.open("wb") as file:
        np.savez(file, mouth=scene.mouth, partners=scene.partners, bystanders=scene.bystanders,
                 meta=np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8))  # fmt: skip
    partial.replace(path)
    return scene


def _read(path: Path) -> Scene:
    try:
        with np.load(path, allow_pickle=False) as file:
            meta: dict[str, Any] = json.loads(file["meta"].tobytes())
            return Scene(
                mouth=file["mouth"],
                partners=file["partners"],
                bystanders=file["bystanders"],
                azimuths=tuple(meta["azimuths"]),
                size_m=_three(np.asarray(meta["size_m"], dtype=np.float64)),
                rt60_s=float(meta["rt60_s"]),
            )
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise DataError(f"{path} is not a readable room of the cache: {error}") from error


def through(samples: Float32, responses: Float32) -> Float32:
    """What each microphone hears: [W] through [C, N] gives [C, W]. Silent stretches cost nothing.

    Overlap-add in blocks of the speech that is there.
    """
    taps, length = responses.shape[1], len(samples)
    size = 1 << (3 * taps - 1).bit_length()
    block = size - taps + 1
    spectra = np.fft.rfft(responses, size)
    out = np.zeros((len(responses), length + size), dtype=np.float32)
    for start in range(0, length, block):
        piece = samples[start : start + block]
        if piece.any():
            heard = np.fft.irfft(np.fft.rfft(piece, size) * spectra, size)
            out[:, start : start + size] += heard.astype(np.float32)
    return out[:, :length]


def diffuse_coherence(array: MicrophoneArray, hertz: Float64) -> Float64:
    """Of sound from everywhere (spherically isotropic), sinc(2 f d / c): [F, C, C]."""
    return np.sinc(2.0 * hertz[:, None, None] * array.distances() / SPEED_OF_SOUND_M_S)


def diffuse_noise(
    kind: str, length: Samples, array: MicrophoneArray, rng: np.random.Generator
) -> Float32:
    """Noise from everywhere [C, W], RMS about 1: independent noises mixed to that coherence."""
    bands = np.linspace(0.0, SAMPLE_RATE / 2, 513)
    values, vectors = np.linalg.eigh(diffuse_coherence(array, bands))
    scaled = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    mixing = (scaled @ vectors.swapaxes(1, 2)).astype(np.float32)
    sources = np.stack([acoustics.noise(kind, _NOISE_PERIOD, rng) for _ in range(array.channels)])
    spectra = np.fft.rfft(sources)
    bins = spectra.shape[1]
    nearest = np.minimum(np.rint(np.arange(bins) * (512 / (bins - 1))).astype(int), 512)
    mixed = np.empty_like(spectra)
    for first in range(0, bins, 1 << 16):
        part = slice(first, min(first + (1 << 16), bins))
        mixed[:, part] = np.einsum("fcd,df->cf", mixing[nearest[part]], spectra[:, part])
    noise = np.fft.irfft(mixed, _NOISE_PERIOD).astype(np.float32)
    return noise[:, np.arange(length) % _NOISE_PERIOD]
