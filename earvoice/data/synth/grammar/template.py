"""Derivations with fixed wording and open slots (`formulas`)."""

from __future__ import annotations

from dataclasses import dataclass

from earvoice.data.synth.grammar import chinese, english, french, german, spanish
from earvoice.data.synth.grammar.chinese_templates import template as chinese_template
from earvoice.data.synth.grammar.french_templates import template as french_template
from earvoice.data.synth.grammar.tree import COMMA, NP, Clause, Token


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A formula with slots.

    English is cut by "|" into parts 1, 2, ...; target words name the part they wait for
    ("2:möchte ich"). Slots: {0} in English, {0:A:über} (case, preposition) in German,
    {0:sobre} in Spanish.
    """

    en: str
    de: str
    es: str
    slots: tuple[NP | Clause, ...] = ()
    final: str = "."

    def english(self) -> list[Token]:
        """English words with their marks, before punctuation is attached."""
        out: list[Token] = []
        for part, text in enumerate(self.en.split("|"), 1):
            for word in text.split():
                if word[0] == "{":
                    out += self._slot("en", word)
                else:
                    out.append((word, (str(part),)))
        return out

    def german(self) -> list[Token]:
        """German words with their marks."""
        return self._target("de", self.de)

    def spanish(self) -> list[Token]:
        """Spanish words with their marks."""
        return self._target("es", self.es)

    def french(self) -> list[Token]:
        """French words with their marks."""
        return self._target("fr", french_template(self.en))

    def chinese(self) -> list[Token]:
        """Chinese words with their marks."""
        return self._target("zh", chinese_template(self.en))

    def _target(self, lang: str, text: str) -> list[Token]:
        out: list[Token] = []
        part = "1"
        for piece in text.split():
            if piece[0] == "{":
                out += self._slot(lang, piece)
                continue
            if piece == ",":
                out.append(COMMA)
                continue
            number, _, word = piece.rpartition(":")
            part = number or part
            out.append((word, (part,)))
        return out

    def _slot(self, lang: str, marker: str) -> list[Token]:
        number, *options = marker.strip("{}").split(":")
        item = self.slots[int(number)]
        if lang == "zh":
            return chinese.clause(item) if isinstance(item, Clause) else chinese.noun_phrase(item)
        if isinstance(item, Clause):
            if lang == "en":
                return english.clause(item)
            if lang == "de":
                return german.clause(item, options[0])
            return french.clause(item) if lang == "fr" else spanish.clause(item)
        if lang == "en":
            return english.noun_phrase(item, is_object=options != ["N"])
        if lang == "de":
            return german.noun_phrase(item, options[0], preposition=(options + [""])[1])
        noun_phrase = french.noun_phrase if lang == "fr" else spanish.noun_phrase
        return noun_phrase(item, options[0] if options else "")
