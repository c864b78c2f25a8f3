"""A corpus of noise, and its simulation."""

import json

import numpy as np

from earvoice.audio import Audio, write_wav
from earvoice.cli import main


def corpus(folder, lengths_s=(1.3, 0.9, 1.7)):
    """Recordings of noise with one sentence each."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number, length_s in enumerate(lengths_s):
        name = f"talk-{number}"
        count = round(16000 * length_s)
        samples = np.random.default_rng(number).integers(-9000, 9000, count) / 32768
        write_wav(folder / f"{name}.wav", Audio.of(samples.astype(np.float32)))
        target = {"de": {"text": "eins zwei drei"}}
        sentence = {"id": name, "start": 0.0, "duration": length_s, "text": "one two three"}
        source = {"type": "file", "channels": [0], "source": f"{name}.wav"}
        recording = {"id": name, "sources": [source], "sampling_rate": 16000}
        lines.append(
            {
                "id": name,
                "start": 0.0,
                "duration": length_s,
                "supervisions": [sentence | {"custom": {"targets": target}}],
                "recording": recording,
            }
        )
    (folder / "cuts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def arguments(data, out, *more):
    return ["eval", "simulate", "--data", str(data), "--out", str(out), *map(str, more)]


def simulated(data, out, *more):
    assert main(arguments(data, out, *more)) == 0
    return out
