"""Writes the Moses tokens, and the segments, that OmniSTEval 0.1.10 makes of words of our own.

Runs where it is installed, with Perl: `python omnisteval_moses.py > omnisteval_moses.json`.
"""

import json
import random
import sys

from omnisteval.alignment import Word, align_sequences, process_alignment
from omnisteval.tokenization import tokenize_words

LANGUAGES = ("de", "en", "es")
PARTS = ["l'", "d'", "can't", "Dr.", "z.B.", "Nr.", "usw.", "1.000,", "18,", "3,5", "2024.", "-"]
PARTS += ["E-Mail", "(so", "so)", '"Ja!"', "„Nein“,", "¿Qué", "%", "$7100,", "...", "und/oder"]
PARTS += ["Haus", "HAUS", "Straße,", "geht?", "geht's", "&", "C++", "a@b.de", "–", "«oui»", "x_y"]


def pieces(words, language):
    return tokenize_words([[Word(word, seq_id=number) for number, word in words]], language)[0]


def cut(references, written, language):
    """The segment of every written word, as the tool finds it; None for one it loses."""
    flat = [(number, word) for number, line in enumerate(references) for word in line]
    ref, hyp = pieces(flat, language), pieces(enumerate(written), language)
    numbers = iter(range(len(written)))
    for word in hyp:
        word.emission_cu = next(numbers) if word.main else None
    owners = [None] * len(written)
    for word in process_alignment(*align_sequences(ref, hyp, False), False):
        if word.main:
            owners[word.emission_cu] = word.seq_id
    return owners


def main():
    """Prints tokens of every word, and cases of references, written words and their segments."""
    rng = random.Random(1)
    tokens = {
        language: {word: [p.text for p in pieces([(0, word)], language)] for word in PARTS}
        for language in LANGUAGES
    }
    cases = []
    for number in range(60):
        language = LANGUAGES[number % len(LANGUAGES)]
        references = [rng.choices(PARTS, k=rng.randint(1, 7)) for _ in range(rng.randint(1, 5))]
        written = [word for line in references for word in line if rng.random() < 0.7]
        for _ in range(rng.randint(1, 5)):
            written.insert(rng.randint(0, len(written)), rng.choice(PARTS))
        cases.append([language, references, written, cut(references, written, language)])
    sys.stdout.write(json.dumps({"tokens": tokens, "cases": cases}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
