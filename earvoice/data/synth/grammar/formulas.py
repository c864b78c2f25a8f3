"""Sentences with fixed wording and open slots: prices, counts, openings and closings of talks."""

from __future__ import annotations

import random

from earvoice.data.synth.grammar import adverbials
from earvoice.data.synth.grammar.phrases import adjectives_of, common, subject
from earvoice.data.synth.grammar.sentence import Derivation
from earvoice.data.synth.grammar.template import Template
from earvoice.data.synth.grammar.tree import NP
from earvoice.data.synth.grammar.words import names, noun, nouns_of

SUBJECTS = (
    "project",
    "method",
    "soft",
    "idea",
    "result",
    "decision",
    "figure",
    "device",
    "problem",
)

_GATHERINGS = ("meeting", "conference", "talk", "course", "lecture", "workshop", "debate")


def _number(rng: random.Random) -> int:
    """2..9999, mostly small, never ending in 01 beyond a hundred (awkward in German)."""
    number = rng.choice(
        (
            rng.randint(2, 99),
            rng.randint(2, 99),
            rng.randint(2, 99) * 10,
            rng.randint(2, 9) * 1000,
            rng.randint(11, 99) * 100 if rng.random() < 0.3 else rng.randint(100, 999),
        )
    )
    if number > 1000 and number % 1000:
        number -= number % 100
    return number if number < 100 or number % 100 != 1 else number + 1


def amount(rng: random.Random, unit: str) -> NP:
    """twenty-one euros."""
    return NP(noun=noun(unit), det="number", plural=True, number=_number(rng))


def costs(rng: random.Random, topic: str) -> Derivation:
    """The ticket costs twenty-one euros."""
    pool = nouns_of(rng.choice(("goods", "ticket", "luggage", "device")))
    thing = common(rng, rng.choice(pool), rng.choice(("s:def", "s:this")))
    style = rng.randrange(4)
    if style == 0:
        return Template(
            "How much does|{0}|cost",
            "1:Wie viel 3:kostet {0:N}",
            "1:Cuánto 3:cuesta {0}",
            (thing,),
            "?",
        )
    money = amount(rng, rng.choice(("euro", "euro", "dollar")))
    if style == 1:
        return Template(
            "{0}|costs only|{1}",
            "{0:N} 2:kostet nur {1:A}",
            "{0} 2:solo cuesta {1}",
            (thing, money),
        )
    if style == 2:
        return Template(
            "We paid|{1}|for|{0}",
            "1:Wir haben {1:A} {0:A:für} 1:bezahlt",
            "1:Pagamos {1} {0:por}",
            (thing, money),
        )
    return Template("{0}|costs|{1}", "{0:N} 2:kostet {1:A}", "{0} 2:cuesta {1}", (thing, money))


def superlative(rng: random.Random, topic: str) -> Derivation:
    """This hotel is the largest hotel in Berlin."""
    place = rng.choice(nouns_of(rng.choice(("place", "build", "eatery", "venue"))))
    choices = [item for item in adjectives_of(place) if item.en_superlative]
    if not choices:
        return existential(rng, topic)
    best = NP(noun=place, det="def", adjective=rng.choice(choices), superlative=True)
    this = NP(noun=place, det="this")
    if rng.random() < 0.5:
        city = NP(name=rng.choice(names("city")))
        return Template(
            "{0}|is|{1}|in|{2}",
            "{0:N} 2:ist {1:N} 4:in {2:D}",
            "{0} 2:es {1} {2:de}",
            (this, best, city),
        )
    who = NP(name=rng.choice(names("name")))
    city = NP(name=rng.choice(names("city")))
    return Template(
        "{0:N}|knows|{1}|in|{2}",
        "{0:N} 2:kennt {1:A} 4:in {2:D}",
        "{0} 2:conoce {1} {2:de}",
        (who, best, city),
    )


def existential(rng: random.Random, topic: str) -> Derivation:
    """There are three hotels near the station."""
    place = rng.choice(nouns_of("near"))
    seen = rng.choice([item for item in nouns_of("near") + nouns_of("eatery") if item is not place])
    plural = rng.random() < 0.6
    thing = common(rng, seen, rng.choice(("p:number", "p:many", "p:some")) if plural else "s:indef")
    where = common(rng, place, "s:def", plain=True)
    city = NP(name=rng.choice(names("city")))
    be = "There are" if plural else "There is"
    if rng.random() < 0.4:
        return Template(
            f"{be}|{{0}}|in|{{1}}",
            "3:In {1:D} 1:gibt es {0:A}",
            "3:En {1} 1:hay {0}",
            (thing, city),
        )
    return Template(
        f"{be}|{{0}}|near|{{1}}",
        "1:Es gibt {0:A} 3:in der Nähe {1:G}",
        "1:Hay {0} 3:cerca {1:de}",
        (thing, where),
    )


def counted(rng: random.Random, topic: str) -> Derivation:
    """The team has twenty-five engineers; our city has two thousand inhabitants."""
    style = rng.randrange(3)
    if style == 0:
        who = subject(rng, ("org",))
        crew = NP(
            noun=noun(rng.choice(("engineer", "worker", "expert", "researcher", "lawyer"))),
            det="number",
            plural=True,
            number=_number(rng),
        )
        return Template("{0:N}|has|{1}", "{0:N} 2:hat {1:A}", "{0} 2:tiene {1}", (who, crew))
    if style == 1:
        town = common(rng, rng.choice(nouns_of("town")), rng.choice(("s:def", "s:this")))
        thousands = rng.choice((1, 100, 1000)) * rng.randint(2, 9)
        people = NP(
            noun=noun("inhabitant"),
            det="number",
            plural=True,
            number=max(thousands, 200) + 10 * rng.randrange(10),
        )
        return Template("{0}|has|{1}", "{0:N} 2:hat {1:A}", "{0} 2:tiene {1}", (town, people))
    place = common(rng, rng.choice(nouns_of("place")), "s:def", plain=True)
    people = NP(
        noun=noun(rng.choice(("tourist", "student"))),
        det="number",
        plural=True,
        number=_number(rng),
    )
    return Template(
        "More than|{0}|visit|{1}|every year",
        "1:Mehr als {0:N} 3:besuchen 5:jedes Jahr {1:A}",
        "1:Más de {0} 3:visitan {1} 5:todos los años",
        (people, place),
    )


def topic_of(rng: random.Random) -> NP:
    """What a talk is about: the new network, the results of the project."""
    return common(
        rng, rng.choice(nouns_of(rng.choice(SUBJECTS))), rng.choice(("s:def", "s:poss", "p:def"))
    )


def _opening_templates(rng: random.Random) -> Template:
    about = topic_of(rng)
    style = rng.randrange(5)
    if style == 0:
        return Template(
            "Today I would like to|talk about|{0}",
            "1:Heute möchte ich {0:A:über} 2:sprechen",
            "1:Hoy me gustaría 2:hablar {0:sobre}",
            (about,),
        )
    if style == 1:
        event = common(
            rng, noun(rng.choice(_GATHERINGS)), rng.choice(("s:def", "s:poss")), plain=True
        )
        return Template(
            "Welcome to|{0}|about|{1}",
            "1:Willkommen {0:D:zu} {1:A:über}",
            "1:Bienvenidos {0:a} {1:sobre}",
            (event, about),
        )
    if style == 2:
        speaker = NP(name=rng.choice(names("name")))
        town = NP(name=rng.choice(names("city")))
        return Template(
            "Good morning, my name is|{0}|and I come from|{1}",
            "1:Guten Morgen, mein Name ist {0:N} 3:und ich komme {1:D:aus}",
            "1:Buenos días, me llamo {0} 3:y vengo {1:de}",
            (speaker, town),
        )
    if style == 3:
        return Template(
            "In this talk, we will|present|{0}",
            "1:In diesem Vortrag werden wir {0:A} 2:vorstellen",
            "1:En esta charla 2:presentaremos {0}",
            (about,),
        )
    host = subject(rng, ("person", "org"))
    return (
        Template(
            "Good evening, and welcome to|{0}",
            f"1:Guten Abend und willkommen {{0:D:{_host_preposition(host)}}}",
            "1:Buenas noches y bienvenidos {0:a}",
            (host,),
        )
        if host.noun and "org" in host.noun.classes
        else Template(
            "Our topic today is|{0}",
            # A verb that need not agree with what has not been said yet.
            "1:Heute geht es {0:A:um}" if about.plural else "1:Unser Thema heute ist {0:N}",
            "1:Hoy hablaremos {0:de}" if about.plural else "1:Nuestro tema de hoy es {0}",
            (about,),
        )
    )


def _host_preposition(host: NP) -> str:
    """Where one is welcomed, in German: beim Team, an der Universität."""
    return "an" if host.noun is not None and host.noun.en in ("university", "school") else "bei"


def opening(rng: random.Random) -> Derivation:
    """How a talk begins."""
    return _opening_templates(rng)


def closing(rng: random.Random) -> Derivation:
    """How a talk ends."""
    style = rng.randrange(3)
    about = topic_of(rng)
    if style == 0:
        return Template(
            "Thank you for your|questions|about|{0}",
            "1:Vielen Dank für Ihre 2:Fragen {0:D:zu}",
            "1:Gracias por sus 2:preguntas {0:sobre}",
            (about,),
        )
    if style == 1:
        place = adverbials.city(rng)
        assert place.np is not None
        month = adverbials.month(rng)
        return Template(
            f"We look forward to seeing you|in|{{0}}|{month[0]}",
            f"1:Wir freuen uns darauf, Sie 4:{month[1]} {{0:D:in}} 1:zu sehen",
            f"1:Esperamos verles {{0:en}} 4:{month[2]}",
            (place.np,),
        )
    return Template(
        "That was everything about|{0}",
        "1:Das war alles {0:D:zu}",
        "1:Eso ha sido todo {0:sobre}",
        (about,),
    )
