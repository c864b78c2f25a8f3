"""Writes what simulstream 1.0.0 with mweralign 1.4.1 says of logs of our own making.

Runs where both are installed: `python simulstream_stream_laal.py > stream_laal.json`. Each case
holds a log, its segments and references, and StreamLAAL of it in seconds, by the ideal clock and
by the chunk's. Times are multiples of 1/8 s, which floats hold exactly: the tool compares seconds.
"""

import json
import random
import sys
import tempfile
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import yaml
from simulstream.metrics.readers import LogReader, YamlReferenceReader
from simulstream.metrics.scorers.latency import LatencyScoringSample
from simulstream.metrics.scorers.latency.stream_laal import StreamLaal

# A no-break space parts no words for these tools.
WORDS = ["d.\u00a0h."]
WORDS += "der die das Haus haus und Garten im ein Baum, steht. wir gehen Über über heute".split()
CHARACTERS = list("我们今天去北京看的是一个大房子。，不了") + ["AI", "x"]


def reference(rng, unit, count):
    """Lines with their spans, gaps between them; some empty, never the last."""
    lines, segments, at = [], [], 0.0
    for number in range(count):
        size = 0 if rng.random() < 0.1 and number < count - 1 else rng.randint(1, 9)
        if unit == "word":
            lines.append(" ".join(rng.choice(WORDS) for _ in range(size)))
        else:
            lines.append("".join(rng.choice(CHARACTERS) for _ in range(size)))
        at += rng.choice([0, 0, 0.25, 1.5])
        duration = rng.randint(4, 40) / 8
        segments.append({"offset": at, "duration": duration})
        at += duration
    return lines, segments, at


def written(rng, unit, lines, habit):
    """The tokens a translator of this habit writes."""
    said = [line.replace("\u00a0", "").split() if unit == "word" else list(line) for line in lines]
    if habit == "drops":
        said = [words if rng.random() < 0.5 else [] for words in said]
    tokens = [word for words in said for word in words if rng.random() < 0.85]
    more = {"long": len(tokens) + 5, "plain": 3}.get(habit, 1)
    pool = WORDS[1:] if unit == "word" else [c for c in CHARACTERS if len(c) == 1]
    for _ in range(more):
        tokens.insert(rng.randint(0, len(tokens)), rng.choice(pool))
    return [] if habit == "silent" else tokens


def chunks(rng, number, tokens, end):
    """Chunks that write the tokens in order, some of them taken back and written again."""
    lines, at, place, standing = [], 0.0, 0, []
    count = max(2, round(end / 1.25))
    for step in range(count):
        at = end if step == count - 1 else at + 1.25
        upto = len(tokens) if step == count - 1 else round(len(tokens) * (step + 1) / count)
        upto = max(place, upto - rng.randint(0, 2)) if step < count - 1 else upto
        gone = []
        if standing and rng.random() < 0.3:
            gone = standing[-rng.randint(1, min(3, len(standing))) :]
            place -= len(gone)
        new = tokens[place:upto] if upto > place else []
        standing = tokens[:place] + new
        place += len(new)
        line = {"id": number, "total_audio_processed": at}
        line |= {"computation_time": rng.randint(0, 12) / 8}
        lines.append(line | {"generated_tokens": new, "deleted_tokens": gone})
    return lines


def case(rng, unit, habit):
    """Two recordings of one habit."""
    log, segments, references = [{"model_loading_time": 1.0}], [], []
    for number, name in enumerate(("one", "two")):
        lines, spans, end = reference(rng, unit, rng.randint(1, 7))
        tokens = written(rng, unit, lines, habit if number == 0 else "plain")
        log.append({"id": number, "metadata": {"wav_name": f"{name}.wav"}})
        log += chunks(rng, number, tokens, end)
        segments += [span | {"wav": f"{name}.wav"} for span in spans]
        references += lines
    return {"unit": unit, "log": log, "segments": segments, "references": references}


def answer(found):
    """What the tool says of a case, in seconds."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        lines = [json.dumps(line, ensure_ascii=False) for line in found["log"]]
        (folder / "log.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / "ref.yaml").write_text(yaml.safe_dump(found["segments"]))
        (folder / "ref.txt").write_text("\n".join(found["references"]) + "\n", encoding="utf-8")
        config = SimpleNamespace(detokenizer_type="simuleval", latency_unit=found["unit"])
        outputs = LogReader(
            config, str(folder / "log.jsonl"), found["unit"]
        ).final_outputs_and_latencies()
        reader = YamlReferenceReader(str(folder / "ref.yaml"), str(folder / "ref.txt"))
    samples = [LatencyScoringSample(n, outputs[n], r) for n, r in reader.references.items()]
    scores = StreamLaal(Namespace(latency_unit=found["unit"])).score(samples)
    return {"ideal": scores.ideal_latency, "chunk": scores.computational_aware_latency}


def main():
    """Prints all cases with their answers."""
    rng = random.Random(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 4
    cases = []
    for _ in range(rounds):
        for unit in ("word", "char"):
            for habit in ("plain", "drops", "long", "silent"):
                found = case(rng, unit, habit)
                cases.append(found | {"answer": answer(found)})
    sys.stdout.write(json.dumps(cases, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
