"""Writes where mweralign 1.4.1 cuts random texts of our own making.

Runs where it is installed: `python mweralign_cuts.py > mweralign.json`. A case is
[unit, references, hypothesis, units of each piece]; the units are words, or characters cut by its
`cj` segmenter.
"""

import json
import random
import sys

from mweralign import mweralign
from mweralign.segmenter import CJSegmenter

VOCABULARIES = {
    "word": [list("ab"), list("abcdef"), "A a Ü ü b B ß . , - 's".split(), "x1 x2 x3".split()],
    "char": [list("我你"), list("我你的是。，A"), list("はがのabAB。"), list("私é中ÀÉ")],
}


def texts(rng, unit):
    """A few references, the last of them not empty, and what was written of them."""
    pool = rng.choice(VOCABULARIES[unit])
    count = rng.randint(1, 6)
    least = [0 if rng.random() < 0.15 and i < count - 1 else 1 for i in range(count)]
    references = [[rng.choice(pool) for _ in range(rng.randint(low, 6))] for low in least]
    flat = [word for line in references for word in line]
    share = rng.choice([0.2, 0.6, 0.9])
    said = [word for word in flat if rng.random() < share]
    if rng.random() < 0.2:
        said = said[rng.randint(0, len(said)) :]
    for _ in range(rng.randint(0, 6)):
        said.insert(rng.randint(0, len(said)), rng.choice(pool))
    return references, said


def pieces(unit, references, said):
    """Units in each piece that the tool cuts."""
    if unit == "word":
        lines, text = [" ".join(line) for line in references], " ".join(said)
    else:
        encode = CJSegmenter().encode
        lines = [" ".join(encode("".join(line))) for line in references]
        text = " ".join(encode("".join(said)))
    found = mweralign.align_texts("\n".join(lines), text).split("\n")
    if unit == "word":
        return [len(piece.split()) for piece in found]
    return [len(piece.replace(" ", "")) for piece in found]


def main():
    """Prints the cases, one a line."""
    rng = random.Random(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    cases = []
    for number in range(int(sys.argv[2]) if len(sys.argv) > 2 else 400):
        unit = "char" if number % 2 else "word"
        references, said = texts(rng, unit)
        if said:
            cases.append([unit, references, said, pieces(unit, references, said)])
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    sys.stdout.write(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
