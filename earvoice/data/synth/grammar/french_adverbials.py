"""French for the adverbials of `adverbials`, which are closed sets: by table and by number words.

on the third of May -> le trois mai; at half past eight -> à huit heures et demie.
"""

from __future__ import annotations

import re
from functools import cache

from earvoice.data.synth.grammar import numbers
from earvoice.data.synth.grammar.french_words import french_noun
from earvoice.data.synth.grammar.words import nouns

_WEEKDAYS = {
    "Monday": "lundi", "Tuesday": "mardi", "Wednesday": "mercredi", "Thursday": "jeudi",
    "Friday": "vendredi", "Saturday": "samedi", "Sunday": "dimanche",
}  # fmt: skip
MONTHS = {
    "January": "janvier", "February": "février", "March": "mars", "April": "avril", "May": "mai",
    "June": "juin", "July": "juillet", "August": "août", "September": "septembre",
    "October": "octobre", "November": "novembre", "December": "décembre",
}  # fmt: skip
_PARTS = {"morning": "matin", "afternoon": "après-midi", "evening": "soir"}
_OF_PARTS = {"morning": "du matin", "afternoon": "de l'après-midi", "evening": "du soir"}
_FIXED = {
    "yesterday": "hier",
    "last week": "la semaine dernière",
    "last month": "le mois dernier",
    "last year": "l'année dernière",
    "last summer": "l'été dernier",
    "last winter": "l'hiver dernier",
    "yesterday evening": "hier soir",
    "yesterday morning": "hier matin",
    "tomorrow": "demain",
    "next week": "la semaine prochaine",
    "next month": "le mois prochain",
    "next year": "l'année prochaine",
    "soon": "bientôt",
    "tomorrow morning": "demain matin",
    "tomorrow evening": "demain soir",
    "tomorrow afternoon": "demain après-midi",
    "today": "aujourd'hui",
    "this evening": "ce soir",
    "this afternoon": "cet après-midi",
    "next summer": "l'été prochain",
    "this week": "cette semaine",
    "this month": "ce mois-ci",
    "this year": "cette année",
    "recently": "récemment",
    "every day": "tous les jours",
    "every week": "toutes les semaines",
    "every month": "tous les mois",
    "every year": "tous les ans",
    "every morning": "tous les matins",
    "every evening": "tous les soirs",
    "once a week": "une fois par semaine",
    "twice a month": "deux fois par mois",
    "three times a year": "trois fois par an",
    "quickly": "rapidement",
    "carefully": "soigneusement",
    "in detail": "en détail",
    "successfully": "avec succès",
    "by train": "en train",
    "by bus": "en bus",
    "by car": "en voiture",
    "by ship": "en bateau",
    "more time": "plus de temps",
    "more money": "plus d'argent",
    "more information": "plus d'informations",
    "more experience": "plus d'expérience",
}


@cache
def _number_of() -> dict[str, int]:
    return {" ".join(numbers.english(number)): number for number in range(1, 100)}


@cache
def _ordinal_of() -> dict[str, int]:
    return {numbers.english_ordinal(number): number for number in range(1, 32)}


@cache
def _year_of() -> dict[str, int]:
    return {" ".join(numbers.english_year(year)): year for year in range(1900, 2030)}


@cache
def fixed(english: tuple[str, ...]) -> tuple[str, ...]:
    """The French words of an adverbial without a noun phrase, from its English words.

    Raises KeyError for one that the grammar does not have.
    """
    return tuple(_french(" ".join(english)).split())


def _french(text: str) -> str:
    if text in _FIXED:
        return _FIXED[text]
    day, at, rest = text.partition(" at ")
    if at:
        return f"{_french(day)} {_clock(rest)}"
    if text.startswith("at "):
        return _clock(text.removeprefix("at "))
    head, *others = text.split()
    if head in ("last", "next", "every", "on", "in") and others:
        found = _dated(head, others)
        if found:
            return found
    if match := re.fullmatch(r"for (\S+) (\S+)", text):
        return f"pendant {_amount(*match.groups())}"
    if match := re.fullmatch(r"by (\S+) percent", text):
        return f"de {' '.join(numbers.french(_number_of()[match[1]]))} pour cent"
    raise KeyError(f"there is no French for the adverbial {text!r}")


def _dated(head: str, others: list[str]) -> str:
    day = _WEEKDAYS.get(others[0], "")
    if head == "on" and day:
        return " ".join([day, *(_PARTS[part] for part in others[1:])])
    if head == "on" and len(others) == 4 and others[1] in _ordinal_of():  # on the third of May
        number = _ordinal_of()[others[1]]
        spoken = "premier" if number == 1 else " ".join(numbers.french(number))
        return f"le {spoken} {MONTHS[others[3]]}"
    if head == "in" and others[0] in MONTHS:
        return f"en {MONTHS[others[0]]}"
    if head == "in" and " ".join(others) in _year_of():
        return f"en {' '.join(numbers.french(_year_of()[' '.join(others)]))}"
    frame = {"last": "{} dernier", "next": "{} prochain", "every": "tous les {}s"}.get(head)
    return frame.format(day) if frame and day else ""


def _clock(text: str) -> str:
    """half past eight, quarter to nine, ten past one, nine in the evening."""
    if match := re.fullmatch(r"(\S+) (past|to) (\S+)", text):
        part, side, hour = match.groups()
        tail = {"half": "et demie", "quarter": "et quart" if side == "past" else "moins le quart"}
        minutes = tail.get(part) or " ".join(numbers.french(_number_of()[part]))
        return f"{_hour(hour)} {minutes}"
    hour, _, _, part = text.split()
    return f"{_hour(hour)} {_OF_PARTS[part]}"


def _hour(word: str) -> str:
    number = _number_of()[word]
    return f"à {' '.join(numbers.french(number, 'f'))} heure{'s' if number > 1 else ''}"


def _amount(word: str, unit: str) -> str:
    noun = french_noun(next(item for item in nouns() if item.en_plural == unit))
    return f"{' '.join(numbers.french(_number_of()[word], noun.gender))} {noun.plural}"
