"""What people say in every conversation: fixed phrases, each with one translation.

No English and no Spanish phrase occurs twice, so that both directions are functions. Phrases are
in every split: there are few, and a listener must know them; only sentences with open slots are
kept apart (`lines`). The Spanish is formal (usted), as in the grammar.
"""

from __future__ import annotations

Phrase = tuple[str, str]

BACK_CHANNELS: tuple[Phrase, ...] = (
    ("Yes.", "Sí."),
    ("Right.", "Claro."),
    ("Okay.", "Vale."),
    ("I see.", "Ya veo."),
    ("Exactly.", "Exacto."),
    ("Perfect.", "Perfecto."),
    ("Really?", "¿De verdad?"),
    ("Good idea.", "Buena idea."),
    ("I understand.", "Entiendo."),
    ("Very well.", "Muy bien."),
)
AGREEMENTS: tuple[Phrase, ...] = (
    ("Yes, of course.", "Sí, por supuesto."),
    ("Yes, I think so.", "Sí, creo que sí."),
    ("Yes, that is true.", "Sí, es verdad."),
    ("Yes, probably.", "Sí, probablemente."),
)
DENIALS: tuple[Phrase, ...] = (
    ("No, unfortunately not.", "No, por desgracia no."),
    ("No, I don't think so.", "No, creo que no."),
    ("No, not yet.", "No, todavía no."),
    ("I don't know.", "No lo sé."),
)
ACCEPTANCES: tuple[Phrase, ...] = (
    ("Of course, right away.", "Por supuesto, ahora mismo."),
    ("With pleasure.", "Con mucho gusto."),
    ("Yes, no problem.", "Sí, sin problema."),
    ("I will do it tomorrow.", "Lo haré mañana."),
    ("I am sorry, that is not possible.", "Lo siento, eso no es posible."),
)
REACTIONS: tuple[Phrase, ...] = (
    ("That is very interesting.", "Eso es muy interesante."),
    ("That is good news.", "Esa es una buena noticia."),
    ("What a pity.", "Qué lástima."),
    ("I am very happy about that.", "Me alegro mucho."),
    ("Thank you for the information.", "Gracias por la información."),
    ("That is too expensive.", "Eso es demasiado caro."),
    ("That sounds good.", "Suena bien."),
)
CONCESSIONS: tuple[Phrase, ...] = (
    ("Oh, you are right.", "Ah, tiene usted razón."),
    ("Sorry, that was my mistake.", "Perdón, ha sido mi error."),
    ("Thank you for the correction.", "Gracias por la corrección."),
)
REPEATS: tuple[Phrase, ...] = (
    ("Excuse me, could you repeat that?", "Perdone, ¿podría repetirlo?"),
    ("I didn't understand that.", "No he entendido eso."),
    ("Could you say that again?", "¿Podría decirlo otra vez?"),
)
WELL_BEING: tuple[Phrase, Phrase] = (
    ("How are you?", "¿Cómo está usted?"),
    ("Very well, thank you.", "Muy bien, gracias."),
)
FAREWELLS: tuple[Phrase, ...] = (
    ("Thank you for your help.", "Gracias por su ayuda."),
    ("Goodbye.", "Adiós."),
    ("See you tomorrow.", "Hasta mañana."),
    ("See you soon.", "Hasta pronto."),
    ("Have a nice day.", "Que tenga un buen día."),
)
UNKNOWN_TIME: Phrase = ("I don't know yet.", "Todavía no lo sé.")

ALL: tuple[Phrase, ...] = (
    *BACK_CHANNELS, *AGREEMENTS, *DENIALS, *ACCEPTANCES, *REACTIONS, *CONCESSIONS, *REPEATS,
    *WELL_BEING, *FAREWELLS, UNKNOWN_TIME,
)  # fmt: skip
