"""Writes what SimulEval 1.1.4 says of logs of our own making.

In an environment of its own:

    pip install simuleval==1.1.4
    python tests/reference/simuleval_answers.py tests/eval/simuleval.json

First the public example of two recordings (3.7 and 4.0 s, chunks of 500 ms), then random ones:
words and characters, computing slower and faster than speech, too few and too many units, all of
them at the end, none at all. Per log: its unit, its instances as instances.log has them,
SimulEval's values per instance (null: it has none), and over all.
"""

import json
import random
import sys
from pathlib import Path

from simuleval.evaluator.instance import LogInstance
from simuleval.evaluator.scorers.latency_scorer import LATENCY_SCORERS_DICT
from simuleval.evaluator.scorers.quality_scorer import SacreBLEUScorer

METRICS = {
    "al": "AL",
    "laal": "LAAL",
    "ap": "AP",
    "dal": "DAL",
    "atd": "ATD",
    "start_offset": "StartOffset",
    "end_offset": "EndOffset",
}
WORDS = "eins zwei drei vier fünf sechs, sieben. Acht neun-zehn".split()
LETTERS = "今天我们讨论同声传译的评测方法。"


def public():
    first = {"prediction": "eins zwei drei vier fünf", "source_length": 3700.0}
    second = {"prediction": "eins zwei drei vier fünf", "source_length": 4000.0}
    first |= {"delays": [1000, 1000, 2000, 3700, 3700]}
    second |= {"delays": [1000, 1000, 2000, 4000, 4000]}
    references = ["eins zwei drei vier fünf sechs", "eins zwei"]
    return [
        whole(index, item, reference, [0] * 5)
        for index, (item, reference) in enumerate(zip([first, second], references, strict=True))
    ]


def whole(index, item, reference, compute):
    return {
        "index": index,
        **item,
        "elapsed": [d + c for d, c in zip(item["delays"], compute, strict=True)],
        "prediction_length": len(item["delays"]),
        "reference": reference,
        "source": [f"talk-{index}.wav", "samplerate: 16000 Hz"],
    }


def randomly(rng, index, unit):
    source = rng.choice([3000, 4321.5, 7900, 10100, 12345.678])
    units, gap = (WORDS, " ") if unit == "word" else (LETTERS, "")
    wanted = rng.randint(1, 14)
    count = rng.choice([0, wanted, wanted, max(1, wanted // 3), 3 * wanted])
    step = rng.choice([320, 500, 960])
    late = rng.random() < 0.2
    delays, compute, heard, took = [], [], 0, 0.0
    while len(delays) < count:
        heard = source if late or rng.random() < 0.1 else min(source, heard + step)
        took += rng.random() * step * rng.choice([0.2, 1.4])
        some = min(count - len(delays), rng.randint(0, 3))
        delays += [heard] * some
        compute += [round(took, 3)] * some
    item = {
        "prediction": gap.join(rng.choice(units) for _ in range(count)),
        "delays": delays,
        "source_length": source,
    }
    reference = gap.join(rng.choice(units) for _ in range(wanted))
    return whole(index, item, reference, compute)


def answers(instances, unit):
    logged = {
        index: LogInstance(json.dumps(item), unit)
        for index, item in enumerate(instances)
        if item["delays"]
    }
    found = {}
    for name, theirs in METRICS.items():
        for aware in (False, True):
            scorer = LATENCY_SCORERS_DICT[theirs](computation_aware=aware)
            values = [
                scorer({0: logged[index]}) if index in logged else None
                for index in range(len(instances))
            ]
            key = f"{name}_ca_simuleval" if aware else name
            numbered = dict(enumerate(logged.values()))
            found[key] = {"per_item": values, "all": scorer(numbered) if numbered else None}
    tokenizer = "13a" if unit == "word" else "zh"
    every = {i: LogInstance(json.dumps(item), unit) for i, item in enumerate(instances)}
    found["bleu"] = {"all": SacreBLEUScorer(tokenizer)(every)}
    return found


def main(path):
    rng = random.Random(20)
    logs = [("public", "word", public())]
    for unit in ("word", "char"):
        logs.append((f"random-{unit}", unit, [randomly(rng, i, unit) for i in range(25)]))
    found = [
        {"name": name, "unit": unit, "instances": items, "answers": answers(items, unit)}
        for name, unit, items in logs
    ]
    text = json.dumps({"simuleval": "1.1.4", "logs": found}, ensure_ascii=False, indent=0)
    Path(path).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
