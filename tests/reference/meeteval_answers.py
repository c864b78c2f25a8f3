"""Writes what meeteval 0.4.3 says of random conversations of our own making.

In an environment of its own (it is built from source: a C++ compiler, minutes):

    pip install meeteval==0.4.3
    python tests/reference/meeteval_answers.py tests/eval/speakers/meeteval.json --sessions 60

Entry: both sides as SegLST, and [errors, reference words] by metric.
"""

import argparse
import json
import logging
import random
from functools import partial

WORDS = "a b c d e ab cde fghi jklmnop und oder der die das".split()


def utterance(rng, speaker, start_s, vocabulary, most):
    words = [
        rng.choice(vocabulary) for _ in range(rng.randint(0 if rng.random() < 0.1 else 1, most))
    ]
    end_s = start_s + rng.choice([0.0, 0.3, 0.37, 0.5]) * len(words) + rng.random() * 2
    return segment(speaker, start_s, end_s, words)


def segment(speaker, start_s, end_s, words):
    return {
        "session_id": "s",
        "speaker": speaker,
        "start_time": round(start_s, 3),
        "end_time": round(max(start_s, end_s), 3),
        "words": " ".join(words),
    }


def conversation(rng):
    """Turns that may overlap, also with the speaker's own."""
    speakers = [f"r{i}" for i in range(rng.randint(1, 4))]
    vocabulary = WORDS[: rng.choice([2, 4, len(WORDS)])]
    found, clock_s = [], rng.random() * 3
    for _ in range(rng.randint(1, 7)):
        found.append(utterance(rng, rng.choice(speakers), clock_s, vocabulary, 7))
        clock_s = max(0.0, found[-1]["end_time"] + rng.uniform(-1.5, 2.5))
    return found, vocabulary


def misheard(rng, reference, vocabulary):
    """The conversation with words, speakers, borders and times changed."""
    speakers = [f"h{i}" for i in range(rng.randint(1, 4))]
    error, confusion, shift = rng.random() * 0.6, rng.random() * 0.6, rng.choice([0, 0.5, 4, 12])
    found = []
    for turn in reference:
        own = speakers[int(turn["speaker"][1:]) % len(speakers)]
        parts = [[]]
        for word in turn["words"].split():
            if rng.random() < 0.15:
                parts.append([])
            if rng.random() < error:
                parts[-1] += rng.choice([[], [rng.choice(vocabulary)], [word, word]])
            else:
                parts[-1].append(word)
        length = (turn["end_time"] - turn["start_time"]) / len(parts)
        for index, words in enumerate(parts):
            speaker = rng.choice(speakers) if rng.random() < confusion else own
            start_s = max(0.0, turn["start_time"] + index * length + rng.uniform(-1, 1) * shift)
            if words or rng.random() < 0.1:
                found.append(segment(speaker, start_s, start_s + length, words))
    return found


def answers(reference, hypothesis):
    """[errors, reference words] by metric; None where the tool itself fails (an empty side)."""
    from meeteval.io import SegLST
    from meeteval.wer.wer.cp import cp_word_error_rate
    from meeteval.wer.wer.di_cp import greedy_di_cp_word_error_rate
    from meeteval.wer.wer.orc import greedy_orc_word_error_rate, orc_word_error_rate
    from meeteval.wer.wer.time_constrained import tcp_word_error_rate

    sides = SegLST(reference), SegLST(hypothesis)
    metrics = {
        "cp_wer": cp_word_error_rate,
        "tcp_wer": partial(tcp_word_error_rate, collar=5),
        "tcp_wer_1s": partial(tcp_word_error_rate, collar=1),
        "orc_wer": orc_word_error_rate,
        "orc_wer_greedy": greedy_orc_word_error_rate,
        "di_cp_wer": greedy_di_cp_word_error_rate,
    }
    found = {}
    for name, metric in metrics.items():
        try:
            rate = metric(*sides)
            found[name] = [int(rate.errors), int(rate.length)]
        except AssertionError:
            found[name] = None
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--sessions", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    rng = random.Random(args.seed)
    lines = []
    for index in range(args.sessions):
        reference, vocabulary = conversation(rng)
        if index % 10 == 9:
            hypothesis, _ = conversation(rng)
        else:
            hypothesis = misheard(rng, reference, vocabulary)
        entry = {"reference": reference, "hypothesis": hypothesis}
        lines.append(json.dumps(entry | {"meeteval": answers(reference, hypothesis)}))
    with open(args.out, "w", encoding="utf-8") as file:
        file.write("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
