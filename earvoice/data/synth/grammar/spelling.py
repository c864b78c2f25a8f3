"""From tokens to words as they are written: commas, capitals, contraction and elision."""

from __future__ import annotations

from earvoice.data.synth.grammar.french_forms import elided
from earvoice.data.synth.grammar.tree import Mark, Token


def written(tokens: list[Token], final: str, lang: str) -> tuple[tuple[str, ...], list[list[Mark]]]:
    """Words with punctuation attached and a capital, and the marks of each.

    Chinese has marks of its own and no capitals; Spanish contracts (al, del) and keeps y from i;
    French elides (l'idée, qu'il).
    """
    texts: list[str] = []
    marks: list[list[Mark]] = []
    comma = "，" if lang == "zh" else ","
    for text, owned in tokens:
        if text == ",":
            if texts and not texts[-1].endswith(comma):
                texts[-1] += comma
        elif lang == "fr" and (joined := elided(texts[-1] if texts else "", text)):
            texts[-1] = joined
            marks[-1] += owned
        elif lang == "es" and text == "el" and texts and texts[-1] in ("a", "de"):
            texts[-1] = "al" if texts[-1] == "a" else "del"
            marks[-1] += owned
        else:
            if lang == "es" and texts and texts[-1] == "y" and text[0] == "i":
                texts[-1] = "e"  # e inscribí: never two i sounds
                marks[-1] += owned
            texts.append(text)
            marks.append(list(owned))
    if lang == "zh":
        texts[-1] = texts[-1].rstrip(comma) + {".": "。", "?": "？"}[final]
        return tuple(texts), marks
    texts[-1] = texts[-1].rstrip(",") + final
    texts[0] = texts[0][0].upper() + texts[0][1:]
    if lang == "es" and final == "?":
        texts[0] = "¿" + texts[0]
    return tuple(texts), marks
