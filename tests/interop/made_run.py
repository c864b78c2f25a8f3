"""A run whose figures other tools have computed: two recordings, three segments each.

python -m tests.interop.made_run RUN
"""

import random
import sys
from pathlib import Path

from earvoice.eval.runlog import LOG_FILE, Logged, RecordingHead, RunLog
from earvoice.events import Commit, Finished, Stamped, Stream

STREAM = Stream("translation", "de")
SENTENCES = (
    "wir gehen heute in den Garten und dann nach Hause .",
    "das ist ein sehr kleines Haus mit Fenstern .",
    "morgen lesen wir gemeinsam ein langes Buch über Züge .",
)


def make(run):
    """Writes log, segments and references; words are lost, doubled and late at random."""
    run.mkdir(parents=True, exist_ok=True)
    rng = random.Random(3)
    log = RunLog(run / LOG_FILE)
    segments, references = [], []
    for name, step_us in (("talk-a", 320_000), ("talk-b", 960_000)):
        heard_us = free_us = total_us = 0
        events = []
        for number, sentence in enumerate(SENTENCES):
            segments.append(f"- {{offset: {number * 6.5:.3f}, duration: 6.0, wav: {name}.wav}}")
            references.append(sentence)
            words = [word for word in sentence.split() if rng.random() < 0.85]
            end_us = (number + 1) * 6_500_000
            while heard_us < end_us:
                heard_us = min(heard_us + step_us, end_us)
                took_us = rng.randrange(20_000, 1_300_000 if number == 1 else 250_000)
                free_us = max(heard_us, free_us) + took_us
                total_us += took_us
                last = heard_us == 3 * 6_500_000
                count = len(words) if last else rng.choice((0, 0, 1, 2))
                now, words = words[:count], words[count:]
                said = [Commit(STREAM, f" {word}") for word in now] + [Finished()] * last
                for event in said:
                    stamped = Stamped(len(events), heard_us / 1e6, free_us / 1e6, event)
                    events.append(Logged(stamped, took_us, total_us))
        log.write(RecordingHead(name, heard_us, "word"), events, total_us)
    (run / "segments.yaml").write_text("".join(f"{line}\n" for line in segments))
    (run / "references.txt").write_text("".join(f"{line}\n" for line in references))
    return run


if __name__ == "__main__":
    make(Path(sys.argv[1]))
