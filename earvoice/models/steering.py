"""Measured steering data of the user's: transfer functions or ready filters from a file.

A `.safetensors` or `.npz` file (no pickle) holds one of

    transfer_real, transfer_imag   [K, F, C]  per source, frequency (0 to 8 kHz, any F >= 2) and
                                              microphone; the last source is the wearer's mouth
    filters                        [K, C, N]  real FIR filters at 16 kHz, one set per beam
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from earvoice.audio.arrays import MicrophoneArray, check_array_channels
from earvoice.errors import CheckpointError
from earvoice.models.beams import Steering, filters_for, frequencies_hz

_KEYS = ("transfer_real", "transfer_imag", "filters")


def read_filters(path: Path, array: MicrophoneArray, beams: int, taps: int) -> NDArray[np.float32]:
    """The filters [beams, C, taps] that a steering file gives for an array.

    Raises: CheckpointError when it cannot be read or has other shapes, AudioError when it is for
    another number of microphones.
    """
    arrays = _arrays(path)
    if "filters" in arrays:
        filters = _checked(arrays["filters"], "filters", path)
        check_array_channels(filters.shape[1], array)
        if filters.shape[0] != beams or filters.shape[2] != taps:
            raise CheckpointError(
                f"{path}: filters have {filters.shape[0]} beams of {filters.shape[2]} taps, "
                f"this model needs {beams} of {taps}"
            )
        return np.ascontiguousarray(filters, dtype=np.float32)
    steering = _steering(arrays, path, array)
    if steering.beams != beams:
        raise CheckpointError(
            f"{path}: transfer functions of {steering.beams} sources, this model needs {beams}"
        )
    return filters_for(array, taps, steering)


def _arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files if name in _KEYS}
        return {name: value for name, value in load_file(path).items() if name in _KEYS}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, SafetensorError) as error:
        raise CheckpointError(f"{path} is not readable steering data: {error}") from error


def _checked(value: NDArray[np.generic], name: str, path: Path) -> NDArray[np.float64]:
    if value.ndim != 3 or 0 in value.shape or not np.issubdtype(value.dtype, np.floating):
        raise CheckpointError(
            f"{path}: {name} is {value.dtype} {list(value.shape)}, it must be real with three axes"
        )
    numbers = value.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise CheckpointError(f"{path}: {name} has values that are no numbers")
    return numbers


def _steering(
    arrays: dict[str, NDArray[np.generic]], path: Path, array: MicrophoneArray
) -> Steering:
    missing = [name for name in ("transfer_real", "transfer_imag") if name not in arrays]
    if missing:
        raise CheckpointError(
            f"{path} has no {' and no '.join(missing)}; it needs transfer_real and transfer_imag, "
            "or filters"
        )
    real, imag = (_checked(arrays[name], name, path) for name in _KEYS[:2])
    if real.shape != imag.shape or real.shape[1] < 2:
        raise CheckpointError(
            f"{path}: transfer_real has shape {list(real.shape)} and transfer_imag "
            f"{list(imag.shape)}; they must be equal, with at least two frequencies"
        )
    check_array_channels(real.shape[2], array)
    given = np.linspace(0.0, 1.0, real.shape[1])
    wanted = frequencies_hz() / frequencies_hz()[-1]
    at = np.interp(wanted, given, np.arange(len(given)))
    below = np.minimum(at.astype(int), len(given) - 2)
    share = (at - below)[None, :, None]
    whole = real + 1j * imag
    transfer = (1 - share) * whole[:, below] + share * whole[:, below + 1]
    reference = transfer[:, :, array.reference : array.reference + 1]
    if (np.abs(reference) < 1e-9).any():
        raise CheckpointError(f"{path}: the reference microphone hears nothing of some source")
    return Steering(transfer / reference)
