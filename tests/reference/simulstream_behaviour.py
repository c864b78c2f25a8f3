"""Writes what simulstream 1.0.0 says of withdrawn words and computing, for logs of our own making.

In an environment of its own:

    pip install simulstream==1.0.0
    python tests/reference/simulstream_behaviour.py tests/eval/simulstream_behaviour.json

Entry: the unit, the log's lines, and the figures by our names.
"""

import json
import random
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

from simulstream.metrics.readers import LogReader
from simulstream.metrics.stats import NormalizedErasure, RealTimeFactor

WORDS = "ja nein vielleicht morgen wieder nicht".split()
LETTERS = "今天我们讨论翻译"


def randomly(rng, units):
    """Two recordings; some chunks withdraw up to three tokens, some say nothing."""
    lines = [{"model_loading_time": 1.0}]
    for key in range(2):
        lines.append({"id": key, "metadata": {"wav_name": f"talk-{key}.wav"}})
        standing = []
        for index in range(1, 13):
            gone = standing[len(standing) - rng.randint(0, min(3, len(standing))) :]
            if rng.random() < 0.4 or not standing:
                gone = []
            standing = standing[: len(standing) - len(gone)]
            new = [rng.choice(units) for _ in range(rng.randint(0, 4))]
            standing += new
            lines.append(
                {
                    "id": key,
                    "total_audio_processed": 0.5 * index,
                    "computation_time": round(rng.random(), 3),
                    "generated_tokens": new,
                    "deleted_tokens": gone,
                }
            )
    return lines


def answers(lines, unit):
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        file.flush()
        config = SimpleNamespace(detokenizer_type="simuleval", latency_unit=unit)
        reader = LogReader(config, file.name, unit)
        return {
            "erasure": NormalizedErasure().compute(reader),
            "rtf": RealTimeFactor().compute(reader),
        }


def main(path):
    rng = random.Random(4)
    logs = [("word", randomly(rng, WORDS)) for _ in range(4)]
    logs += [("char", randomly(rng, LETTERS)) for _ in range(4)]
    found = [{"unit": unit, "log": lines, "answers": answers(lines, unit)} for unit, lines in logs]
    Path(path).write_text(json.dumps(found, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
