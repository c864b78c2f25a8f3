"""Adverbials of time, place, manner and company, sampled by the kind of tense they fit.

Each function returns one `Adverbial` with its three fixed forms. Clock times follow everyday
speech: half past eight = halb neun = las ocho y media.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from earvoice.data.synth.grammar import numbers
from earvoice.data.synth.grammar.tree import NP, WE, Adverbial, I
from earvoice.data.synth.grammar.words import names, noun, nouns_of

WEEKDAYS = (
    ("Monday", "Montag", "lunes"),
    ("Tuesday", "Dienstag", "martes"),
    ("Wednesday", "Mittwoch", "miércoles"),
    ("Thursday", "Donnerstag", "jueves"),
    ("Friday", "Freitag", "viernes"),
    ("Saturday", "Samstag", "sábado"),
    ("Sunday", "Sonntag", "domingo"),
)
MONTHS = (
    ("January", "Januar", "enero"),
    ("February", "Februar", "febrero"),
    ("March", "März", "marzo"),
    ("April", "April", "abril"),
    ("May", "Mai", "mayo"),
    ("June", "Juni", "junio"),
    ("July", "Juli", "julio"),
    ("August", "August", "agosto"),
    ("September", "September", "septiembre"),
    ("October", "Oktober", "octubre"),
    ("November", "November", "noviembre"),
    ("December", "Dezember", "diciembre"),
)
PAST = (
    ("yesterday", "gestern", "ayer"),
    ("last week", "letzte Woche", "la semana pasada"),
    ("last month", "letzten Monat", "el mes pasado"),
    ("last year", "letztes Jahr", "el año pasado"),
    ("last summer", "letzten Sommer", "el verano pasado"),
    ("last winter", "letzten Winter", "el invierno pasado"),
    ("yesterday evening", "gestern Abend", "ayer por la noche"),
    ("yesterday morning", "gestern Morgen", "ayer por la mañana"),
)
FUTURE = (
    ("tomorrow", "morgen", "mañana"),
    ("next week", "nächste Woche", "la próxima semana"),
    ("next month", "nächsten Monat", "el próximo mes"),
    ("next year", "nächstes Jahr", "el próximo año"),
    ("soon", "bald", "pronto"),
    ("tomorrow morning", "morgen früh", "mañana por la mañana"),
    ("tomorrow evening", "morgen Abend", "mañana por la noche"),
    ("tomorrow afternoon", "morgen Nachmittag", "mañana por la tarde"),
    ("today", "heute", "hoy"),
    ("this evening", "heute Abend", "esta noche"),
    ("this afternoon", "heute Nachmittag", "esta tarde"),
    ("next summer", "nächsten Sommer", "el próximo verano"),
)
PERFECT = (
    ("today", "heute", "hoy"),
    ("this week", "diese Woche", "esta semana"),
    ("this month", "diesen Monat", "este mes"),
    ("this year", "dieses Jahr", "este año"),
    ("recently", "kürzlich", "recientemente"),
)
HABIT = (
    ("every day", "jeden Tag", "todos los días"),
    ("every week", "jede Woche", "todas las semanas"),
    ("every month", "jeden Monat", "todos los meses"),
    ("every year", "jedes Jahr", "todos los años"),
    ("every morning", "jeden Morgen", "todas las mañanas"),
    ("every evening", "jeden Abend", "todas las noches"),
    ("once a week", "einmal pro Woche", "una vez por semana"),
    ("twice a month", "zweimal pro Monat", "dos veces al mes"),
    ("three times a year", "dreimal pro Jahr", "tres veces al año"),
)
MANNERS = {
    "quick": ("quickly", "schnell", "rápidamente"),
    "careful": ("carefully", "sorgfältig", "cuidadosamente"),
    "detail": ("in detail", "ausführlich", "detalladamente"),
    "success": ("successfully", "erfolgreich", "con éxito"),
}
RIDES = (
    ("by train", "mit dem Zug", "en tren"),
    ("by bus", "mit dem Bus", "en autobús"),
    ("by car", "mit dem Auto", "en coche"),
    ("by ship", "mit dem Schiff", "en barco"),
)
UNITS = ("minute", "hour", "day", "week", "month", "year")


def fixed(kind: str, forms: tuple[str, str, str]) -> Adverbial:
    """An adverbial with the same words everywhere."""
    return Adverbial(
        kind, tuple(forms[0].split()), tuple(forms[1].split()), tuple(forms[2].split())
    )


def _amount(rng: random.Random, units: tuple[str, ...] = UNITS) -> NP:
    number = rng.choice((2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 21, 25, 30))
    return NP(noun=noun(rng.choice(units)), det="number", plural=True, number=number)


def clock(rng: random.Random) -> tuple[str, str, str]:
    """A clock time in three languages."""
    hour = rng.randint(1, 11)
    follow = hour + 1
    style = rng.randrange(6)
    en, de, es = numbers.english(hour)[0], _german_hour(hour), _spanish_hour(hour)
    if style == 0:
        return f"at half past {en}", f"um halb {_german_hour(follow)}", f"{es} y media"
    if style == 1:
        return f"at quarter past {en}", f"um Viertel nach {de}", f"{es} y cuarto"
    if style == 2:
        return f"at quarter to {en}", f"um Viertel vor {de}", f"{es} menos cuarto"
    if style == 3:
        minutes = rng.choice((5, 10, 20))
        past = numbers.english(minutes)[0]
        return (
            f"at {past} past {en}",
            f"um {numbers.german(minutes)} nach {de}",
            f"{es} y {numbers.spanish(minutes)[0]}",
        )
    return _part_of_day(rng)


def _part_of_day(rng: random.Random) -> tuple[str, str, str]:
    hours, en, de, es = rng.choice(
        (
            ((6, 7, 8, 9, 10, 11), "morning", "morgens", "mañana"),
            ((1, 2, 3, 4, 5), "afternoon", "nachmittags", "tarde"),
            ((8, 9, 10), "evening", "abends", "noche"),
        )
    )
    hour = rng.choice(hours)
    return (
        f"at {numbers.english(hour)[0]} in the {en}",
        f"um {numbers.german(hour)} Uhr {de}",
        f"{_spanish_hour(hour)} de la {es}",
    )


def _german_hour(hour: int) -> str:
    return "eins" if hour == 1 else numbers.german(hour)


def _spanish_hour(hour: int) -> str:
    return "a la una" if hour == 1 else f"a las {numbers.spanish(hour)[0]}"


def date(rng: random.Random) -> tuple[str, str, str]:
    """on the third of May, am dritten Mai, el tres de mayo."""
    month = rng.choice(MONTHS)
    day = rng.randint(1, 30 if month[0] != "February" else 28)
    es = "primero" if day == 1 else " ".join(numbers.spanish(day))
    return (
        f"on the {numbers.english_ordinal(day)} of {month[0]}",
        f"am {numbers.german_ordinal(day)} {month[1]}",
        f"el {es} de {month[2]}",
    )


def weekday(rng: random.Random) -> tuple[str, str, str]:
    """on Monday, or on Monday morning."""
    en, de, es = rng.choice(WEEKDAYS)
    part = rng.choice(
        (
            "",
            "",
            ("morning", "morgen", "mañana"),
            ("evening", "abend", "noche"),
            ("afternoon", "nachmittag", "tarde"),
        )
    )
    if not part:
        return f"on {en}", f"am {de}", f"el {es}"
    return f"on {en} {part[0]}", f"am {de}{part[1]}", f"el {es} por la {part[2]}"


def month(rng: random.Random) -> tuple[str, str, str]:
    """in March, im März, en marzo."""
    en, de, es = rng.choice(MONTHS)
    return f"in {en}", f"im {de}", f"en {es}"


def year(rng: random.Random) -> tuple[str, str, str]:
    """in nineteen ninety-eight, im Jahr neunzehnhundertachtundneunzig."""
    number = rng.choice((rng.randint(1961, 1999), rng.randint(2000, 2024)))
    en = " ".join(numbers.english_year(number))
    return (
        f"in {en}",
        f"im Jahr {numbers.german_year(number)}",
        f"en {' '.join(numbers.spanish(number))}",
    )


def _last_weekday(rng: random.Random) -> tuple[str, str, str]:
    en, de, es = rng.choice(WEEKDAYS)
    return f"last {en}", f"letzten {de}", f"el {es} pasado"


def _next_weekday(rng: random.Random) -> tuple[str, str, str]:
    en, de, es = rng.choice(WEEKDAYS)
    return f"next {en}", f"nächsten {de}", f"el próximo {es}"


def _every_weekday(rng: random.Random) -> tuple[str, str, str]:
    en, de, es = rng.choice(WEEKDAYS)
    return f"every {en}", f"jeden {de}", f"todos los {es}{'' if es.endswith('s') else 's'}"


def _day_and_clock(rng: random.Random) -> tuple[str, str, str]:
    day = rng.choice((("tomorrow", "morgen", "mañana"), _next_weekday(rng), _plain_weekday(rng)))
    hour = clock(rng)
    return f"{day[0]} {hour[0]}", f"{day[1]} {hour[1]}", f"{day[2]} {hour[2]}"


def _plain_weekday(rng: random.Random) -> tuple[str, str, str]:
    en, de, es = rng.choice(WEEKDAYS)
    return f"on {en}", f"am {de}", f"el {es}"


_Forms = Callable[[random.Random], tuple[str, str, str]]
_TIMES: dict[str, tuple[tuple[_Forms, ...], tuple[tuple[str, str, str], ...]]] = {
    "past": ((weekday, date, month, year, _last_weekday), PAST),
    "future": ((weekday, date, month, _next_weekday, _day_and_clock), FUTURE),
    "perfect": ((), PERFECT),
    "habit": ((_every_weekday,), HABIT),
    "clock": ((clock,), ()),
    "next clock": ((_day_and_clock, clock), ()),
}


def time(rng: random.Random, kind: str) -> Adverbial:
    """A time adverbial of a kind: past, future, perfect, habit, clock, next clock."""
    if kind == "past" and rng.random() < 0.2:
        amount = _amount(rng)
        return Adverbial("time", ("ago",), ("vor",), ("hace",), amount)
    if kind == "future" and rng.random() < 0.15:
        return Adverbial("time", ("in",), ("in",), ("dentro", "de"), _amount(rng))
    makers, fixed_forms = _TIMES[kind]
    if fixed_forms and (not makers or rng.random() < 0.4):
        return fixed("time", rng.choice(fixed_forms))
    return fixed("time", rng.choice(makers)(rng))


def span(rng: random.Random, units: tuple[str, ...] = ("day", "week", "month")) -> Adverbial:
    """for two weeks: zwei Wochen lang, durante dos semanas."""
    number = rng.randint(2, 12)
    unit = noun(rng.choice(units))
    return fixed(
        "time",
        (
            f"for {numbers.english(number)[0]} {unit.en_plural}",
            f"{numbers.german(number)} {unit.de_plural} lang",
            f"durante {numbers.spanish(number, unit.es_gender)[0]} {unit.es_plural}",
        ),
    )


def hours(rng: random.Random) -> Adverbial:
    """for seven hours."""
    return span(rng, ("hour",))


def percent(rng: random.Random) -> Adverbial:
    """by twenty percent: um zwanzig Prozent, un veinte por ciento."""
    number = rng.randint(2, 60)
    return fixed(
        "manner",
        (
            f"by {numbers.english(number)[0]} percent",
            f"um {numbers.german(number)} Prozent",
            f"un {' '.join(numbers.spanish(number))} por ciento",
        ),
    )


def city(rng: random.Random) -> Adverbial:
    """in Munich."""
    return Adverbial("place", ("in",), ("in",), ("en",), NP(name=rng.choice(names("city"))))


def venue(rng: random.Random) -> Adverbial:
    """in the library."""
    return Adverbial("place", ("in",), ("in",), ("en",), NP(noun=rng.choice(nouns_of("venue"))))


def company(rng: random.Random) -> Adverbial:
    """with Anna, with our colleagues."""
    if rng.random() < 0.4:
        other = NP(name=rng.choice(names("name")))
    else:
        group = rng.choice(("colleague", "friend", "customer", "student", "sister", "brother"))
        plural = group in ("colleague", "friend", "customer", "student")
        other = NP(noun=noun(group), det="poss", owner=I if not plural else WE, plural=plural)
    return Adverbial("manner", ("with",), ("mit",), ("con",), other)


def other(rng: random.Random, kind: str) -> Adverbial:
    """An adverbial by the kind a verb lists in its `adverbs` column."""
    if kind in MANNERS:
        return fixed("manner", MANNERS[kind])
    if kind == "clock":
        return time(rng, "clock")
    maker = {
        "city": city,
        "place": venue,
        "venue": venue,
        "comp": company,
        "span": span,
        "hours": hours,
        "percent": percent,
    }.get(kind)
    return maker(rng) if maker else fixed("manner", rng.choice(RIDES))
