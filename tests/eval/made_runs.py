"""Run folders made for tests: talks of numbered sentences, written so much later, with errors."""

import json
import random

from earvoice.eval.runlog import Logged, RecordingHead, RunLog
from earvoice.events import Commit, Stamped, Stream

DE = Stream("translation", "de")
WORDS = (
    "heute sprechen wir über die neue Brücke am Fluss und was sie kostet wenn der Winter kommt "
    "weil niemand weiß wie lange das alte Holz noch hält bevor es bricht"
).split()


def made_run(
    folder,
    *,
    model="mini",
    k=3,
    talks=3,
    sentences=4,
    late_s=0.0,
    errors=7,
    spoken=None,
    computing_us=40_000,
):
    """A run of `talks` talks. late_s: added to the lag of k * 0.5 s; errors: every so manieth
    word is wrong. spoken: what the first word of the first talk is written as."""
    folder.mkdir(parents=True)
    segments, references, sources = [], [], []
    log = RunLog(folder / "log.jsonl")
    for talk in range(talks):
        chance = random.Random(talk)
        events, start, total = [], 0.5, 0
        for _ in range(sentences):
            words = [chance.choice(WORDS) for _ in range(chance.randint(5, 12))]
            duration = 0.4 * len(words)
            segments.append(f"- {{offset: {start}, duration: {duration:.3f}, wav: talk{talk}.wav}}")
            references.append(" ".join(words))
            sources.append(" ".join(f"src{word}" for word in words))
            for index in range(0, len(words), 3):
                heard = start + 0.4 * min(index + 3, len(words)) + 0.5 * k + late_s
                written = [
                    "falsch" if (talk + place) % errors == 0 else words[place]
                    for place in range(index, min(index + 3, len(words)))
                ]
                if spoken is not None and talk == 0 and not events:
                    written[0] = spoken
                total += computing_us
                stamped = Stamped(
                    len(events),
                    heard,
                    heard + computing_us / 1e6,
                    Commit(DE, "".join(f" {word}" for word in written)),
                )
                events.append(Logged(stamped, computing_us, total))
            start = round(start + duration + 0.6, 3)
        # Kept in order of time: a late word may come after the next sentence has begun.
        ordered = sorted(events, key=lambda event: event.stamped.heard_s)
        head = RecordingHead(f"talk{talk}", round((start + 8) * 1_000_000), "word")
        log.write(head, ordered, total)
    for name, lines in (
        ("segments.yaml", segments),
        ("references.txt", references),
        ("sources.txt", sources),
    ):
        (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    note = {
        "model": model,
        "model_sha256": f"hash of {model}",
        "policy": f"wait-k:k={k},n=3",
        "data_sha256": f"{talks} talks of {sentences}",
        "items": None,
        "versions": {"earvoice": "0.1.0"},
    }
    (folder / "run.json").write_text(json.dumps(note))
    return folder
