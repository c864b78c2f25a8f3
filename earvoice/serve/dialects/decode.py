"""Audio of an unknown file, decoded in a process of its own that may not use much of anything.

    python -m earvoice.serve.dialects.decode MAX_SECONDS < file     float32 at 16 kHz, mono

A file can be a bomb: a few bytes that unpack to gigabytes, or lie about their size. The child has
bounds on memory, processor time and the seconds it may give; it reads WAV, FLAC, Ogg and MP3 by
libsndfile and starts no other program. What it gives is read as it comes.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from collections.abc import AsyncIterator
from typing import IO

from earvoice.errors import AudioError
from earvoice.units import SAMPLE_RATE, Seconds

_MEMORY_BYTES = 1 << 30
_PROCESSOR_S = 600
_READ_BYTES = 1 << 16
_PACKET_S: Seconds = 1.0


async def decoded(file: IO[bytes], max_s: Seconds) -> AsyncIterator[bytes]:
    """`f32le` at 16 kHz. Errors: `AudioError` for what is no audio, or is longer than `max_s`."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "earvoice.serve.dialects.decode", str(max_s)),
        stdin=file.fileno(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PATH": "", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    assert child.stdout is not None
    assert child.stderr is not None
    complaint = asyncio.create_task(child.stderr.read(2_000))
    try:
        while data := await child.stdout.read(_READ_BYTES):
            yield data
        if await child.wait() != 0:
            known = (await complaint).decode("utf-8", "replace").strip()
            raise AudioError(known if known in _SAYS.values() else _SAYS["broken"])
    finally:
        complaint.cancel()
        if child.returncode is None:
            child.kill()
            await child.wait()


_SAYS = {
    "broken": "the file is not audio that can be read; WAV, FLAC, Ogg and MP3 can",
    "long": "the audio is longer than is allowed here",
}


def main(max_s: Seconds) -> int:
    """Decode standard input to standard output."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_PROCESSOR_S, _PROCESSOR_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    from earvoice.audio import Resampler, stream_file

    resampler, left = Resampler(), int(max_s * SAMPLE_RATE)
    out = sys.stdout.buffer
    os.lseek(0, 0, os.SEEK_SET)
    try:
        for packet in stream_file("/dev/fd/0", _PACKET_S):
            samples = resampler.push(packet)
            left -= samples.size
            if left < 0:
                sys.stderr.write(_SAYS["long"])
                return 3
            out.write(samples.astype("<f4").tobytes())
        out.write(resampler.flush().astype("<f4").tobytes())
        out.flush()
    except BrokenPipeError:
        return 1
    except (AudioError, MemoryError, OSError):
        sys.stderr.write(_SAYS["broken"])
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
