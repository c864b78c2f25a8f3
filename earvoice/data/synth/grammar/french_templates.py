"""French for the formulas (`formulas`), by their English: parts and slots as in `Template`."""

from __future__ import annotations

import re

from earvoice.data.synth.grammar.french_adverbials import MONTHS

_TEMPLATES = {
    "How much does|{0}|cost": "1:Combien 3:coûte {0}",
    "{0}|costs only|{1}": "{0} 2:ne coûte que {1}",
    "We paid|{1}|for|{0}": "1:Nous avons payé {1} {0:pour}",
    "{0}|costs|{1}": "{0} 2:coûte {1}",
    "{0}|is|{1}|in|{2}": "{0} 2:est {1} {2:de}",
    "{0:N}|knows|{1}|in|{2}": "{0} 2:connaît {1} {2:de}",
    "There is|{0}|in|{1}": "1:Il y a {0} {1:à}",
    "There are|{0}|in|{1}": "1:Il y a {0} {1:à}",
    "There is|{0}|near|{1}": "1:Il y a {0} 3:près {1:de}",
    "There are|{0}|near|{1}": "1:Il y a {0} 3:près {1:de}",
    "{0:N}|has|{1}": "{0} 2:compte {1}",
    "{0}|has|{1}": "{0} 2:compte {1}",
    "More than|{0}|visit|{1}|every year": "1:Plus de {0} 3:visitent {1} 5:tous les ans",
    "Today I would like to|talk about|{0}": "1:Aujourd'hui, je voudrais 2:parler {0:de}",
    "Welcome to|{0}|about|{1}": "1:Bienvenue {0:à} {1:sur}",
    "Good morning, my name is|{0}|and I come from|{1}": (
        "1:Bonjour, je m'appelle {0} 3:et je viens {1:de}"
    ),
    "In this talk, we will|present|{0}": "1:Dans cet exposé, nous 2:présenterons {0}",
    "Good evening, and welcome to|{0}": "1:Bonsoir et bienvenue {0:dans}",
    "Our topic today is|{0}": "1:Aujourd'hui, notre exposé porte {0:sur}",
    "Thank you for your|questions|about|{0}": "1:Merci pour vos 2:questions {0:sur}",
    "We look forward to seeing you|in|{0}|in": ("1:Nous nous réjouissons de vous voir {0:à} 4:en"),
    "That was everything about|{0}": "1:C'était tout au sujet {0:de}",
}


def template(english: str) -> str:
    """The French of a formula. Raises KeyError for one that the grammar does not have."""
    match = re.fullmatch(r"(.*\|in) (\w+)", english)
    if match and match[2] in MONTHS:
        return f"{_TEMPLATES[match[1]]} {MONTHS[match[2]]}"
    return _TEMPLATES[english]
