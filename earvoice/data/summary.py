"""What a corpus holds, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from earvoice.data.manifest import Talk


def summarise(talks: Iterable[Talk]) -> dict[str, Any]:
    """Hours, talks, sentences, voices, languages and speaking rate of a corpus.

    `words_per_s` counts spoken time only, pauses between sentences left out.
    """
    seconds = spoken_s = 0.0
    count = sentences = words = 0
    voices: Counter[str] = Counter()
    engines: Counter[str] = Counter()
    sounds: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    targets: Counter[str] = Counter()
    for talk in talks:
        count += 1
        seconds += talk.duration_s
        voices[f"{talk.engine} {talk.voice}"] += 1
        engines[talk.engine] += 1
        languages[talk.language] += 1
        sounds["+".join(k for k in ("noise", "rt60_s") if k in talk.condition) or "clean"] += 1
        for sentence in talk.sentences:
            sentences += 1
            words += len(sentence.words)
            spoken_s += sentence.end_s - sentence.start_s
            targets.update(sentence.targets.keys())
    return {
        "hours": round(seconds / 3600.0, 3),
        "talks": count,
        "minutes_per_talk": round(seconds / 60.0 / count, 2) if count else 0.0,
        "sentences": sentences,
        "words": words,
        "words_per_s": round(words / spoken_s, 2) if spoken_s else 0.0,
        "voices": len(voices),
        "talks_by_language": dict(languages.most_common()),
        "talks_by_engine": dict(engines.most_common()),
        "talks_by_sound": dict(sounds.most_common()),
        "sentences_by_target": dict(targets.most_common()),
    }
