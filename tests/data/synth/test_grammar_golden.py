"""Hand-written sentence pairs: what a native would write for explicit constituents."""

from __future__ import annotations

import pytest

from earvoice.data.synth.grammar import (
    words,
)
from earvoice.data.synth.grammar.sentence import (
    Derivation,
    Question,
    Request,
    Statement,
    english_words,
    finish,
    source_words,
)
from earvoice.data.synth.grammar.tree import (
    HE,
    IT,
    NP,
    SHE,
    THEY,
    WE,
    YOU,
    Clause,
    I,
    Predicate,
    Relative,
    Sub,
)
from tests.data.synth.made_clauses import (
    HABIT,
    MONDAY,
    TOMORROW,
    TRAIN,
    YESTERDAY,
    at,
    c,
    city,
    n,
    name,
    opener,
    p,
)


def goldens() -> list[tuple[str, Derivation, str, str, str]]:
    engineer = n("engineer")
    built = Clause(
        n("engineer"),
        words.verb("build"),
        "S",
        ((words.verb("build").slots[0], n("machine")),),
        gap="subject",
    )
    sent = Clause(
        p(WE),
        words.verb("send"),
        "S",
        ((words.verb("send").slots[0], n("report")),),
        (YESTERDAY,),
        gap="object",
    )
    had = at("more time", "mehr Zeit", "más tiempo", "manner")
    return [
        (
            "fronting, V2",
            Statement(c(p(WE), "travel", "F", name("Berlin", "city"), front=TOMORROW)),
            "Tomorrow we will travel to Berlin.",
            "Morgen werden wir nach Berlin reisen.",
            "Mañana viajaremos a Berlín.",
        ),
        (
            "time manner place",
            Statement(
                c(p(WE), "travel", "F", name("Switzerland", "country"), adverbials=(TRAIN, MONDAY))
            ),
            "We will travel to Switzerland by train on Monday.",
            "Wir werden am Montag mit dem Zug in die Schweiz reisen.",
            "Viajaremos a Suiza en tren el lunes.",
        ),
        (
            "separable verb",
            Statement(
                c(name("Anna"), "call", "P", n("sister", "poss", owner=SHE), adverbials=(HABIT,))
            ),
            "Anna calls her sister every day.",
            "Anna ruft jeden Tag ihre Schwester an.",
            "Anna llama a su hermana todos los días.",
        ),
        (
            "separable in a perfect",
            Statement(c(p(I), "call", "S", name("Peter"), front=YESTERDAY)),
            "Yesterday I called Peter.",
            "Gestern habe ich Peter angerufen.",
            "Ayer llamé a Peter.",
        ),
        (
            "because, verb last",
            Statement(
                c(
                    p(WE),
                    "cancel",
                    "S",
                    n("meeting"),
                    sub=Sub("because", c(n("director"), "lose", "S", n("contract"))),
                )
            ),
            "We canceled the meeting because the director lost the contract.",
            "Wir haben die Besprechung abgesagt, weil der Direktor den Vertrag verloren hat.",
            "Cancelamos la reunión porque el director perdió el contrato.",
        ),
        (
            "although first",
            Statement(
                c(n("team"), "finish", "S", n("project")),
                leading=Sub("although", c(p(I), "cancel", "wanted", n("conference"))),
            ),
            "Although I wanted to cancel the conference, the team finished the project.",
            "Obwohl ich die Konferenz absagen wollte, hat das Team das Projekt abgeschlossen.",
            "Aunque yo quería cancelar la conferencia, el equipo terminó el proyecto.",
        ),
        (
            "when future: subjunctive",
            Statement(
                c(p(WE), "call", "F", n("customer")),
                leading=Sub("when", c(n("train"), "arrive", "P", name("Munich", "city"))),
            ),
            "When the train arrives in Munich, we will call the customer.",
            "Wenn der Zug in München ankommt, werden wir den Kunden anrufen.",
            "Cuando el tren llegue a Múnich, llamaremos al cliente.",
        ),
        (
            "before, same subject",
            Statement(
                c(
                    p(I),
                    "pay",
                    "must",
                    n("invoice"),
                    sub=Sub("before", c(p(I), "fly", "P", name("Rome", "city"), gap="same")),
                )
            ),
            "I must pay the invoice before I fly to Rome.",
            "Ich muss die Rechnung bezahlen, bevor ich nach Rom fliege.",
            "Tengo que pagar la factura antes de volar a Roma.",
        ),
        (
            "so that",
            Statement(
                c(
                    p(WE),
                    "explain",
                    "F",
                    n("plan"),
                    n("student", plural=True),
                    sub=Sub("so that", c(p(THEY), "solve", "can", n("problem"))),
                )
            ),
            "We will explain the plan to the students so that they can solve the problem.",
            "Wir werden den Studenten den Plan erklären, damit sie das Problem lösen können.",
            "Les explicaremos el plan a los estudiantes para que puedan resolver el problema.",
        ),
        (
            "in order to",
            Statement(
                c(
                    p(WE),
                    "need",
                    "P",
                    n("computer", "indef", adjective="new"),
                    sub=Sub("in order to", c(p(WE), "download", "F", n("program"))),
                )
            ),
            "We need a new computer in order to download the program.",
            "Wir brauchen einen neuen Computer, um das Programm herunterzuladen.",
            "Necesitamos un nuevo ordenador para descargar el programa.",
        ),
        (
            "zu infinitive, reflexive",
            Statement(c(p(WE), "decide", "R", sub=Sub("to", c(p(WE), "meet", "F", n("lawyer"))))),
            "We have decided to meet with the lawyer.",
            "Wir haben beschlossen, uns mit dem Anwalt zu treffen.",
            "Hemos decidido reunirnos con el abogado.",
        ),
        (
            "want somebody to",
            Statement(
                c(
                    n("director"),
                    "want",
                    "P",
                    sub=Sub(
                        "want", c(n("team"), "finish", "P", n("report"), adverbials=(TOMORROW,))
                    ),
                )
            ),
            "The director wants the team to finish the report tomorrow.",
            "Der Direktor will, dass das Team morgen den Bericht abschließt.",
            "El director quiere que el equipo termine el informe mañana.",
        ),
        (
            "object relative",
            Statement(
                Clause(
                    n("report", relative=Relative(sent, "object")),
                    None,
                    "P",
                    predicate=Predicate(words.adjective("important")),
                )
            ),
            "The report that we sent yesterday is important.",
            "Der Bericht, den wir gestern geschickt haben, ist wichtig.",
            "El informe que enviamos ayer es importante.",
        ),
        (
            "subject relative",
            Statement(
                c(
                    NP(noun=engineer.noun, relative=Relative(built, "subject")),
                    "work",
                    "F",
                    n("bank"),
                    frame=1,
                )
            ),
            "The engineer who built the machine will work for the bank.",
            "Der Ingenieur, der die Maschine gebaut hat, wird für die Bank arbeiten.",
            "El ingeniero que construyó la máquina trabajará para el banco.",
        ),
        (
            "passive with modal",
            Statement(c(n("document", "this", plural=True), "translate", "must", passive=True)),
            "These documents must be translated.",
            "Diese Dokumente müssen übersetzt werden.",
            "Estos documentos tienen que ser traducidos.",
        ),
        (
            "passive perfect, agreement",
            Statement(
                c(n("invitation", "number", plural=True, number=21), "reject", "R", passive=True)
            ),
            "Twenty-one invitations have been rejected.",
            "Einundzwanzig Einladungen sind abgelehnt worden.",
            "Veintiuna invitaciones han sido rechazadas.",
        ),
        (
            "unreal condition",
            Statement(
                c(p(WE), "visit", "would", n("museum")),
                leading=Sub("if", Clause(p(I), words.verb("have"), "had", adverbials=(had,))),
            ),
            "If I had more time, we would visit the museum.",
            "Wenn ich mehr Zeit hätte, würden wir das Museum besuchen.",
            "Si yo tuviera más tiempo, visitaríamos el museo.",
        ),
        (
            "kein",
            Statement(c(p(WE), "find", "S", n("solution", "indef"), negative=True)),
            "We did not find a solution.",
            "Wir haben keine Lösung gefunden.",
            "No encontramos ninguna solución.",
        ),
        (
            "nicht after the object",
            Statement(c(p(WE), "sign", "S", n("contract"), adverbials=(YESTERDAY,), negative=True)),
            "We did not sign the contract yesterday.",
            "Wir haben den Vertrag gestern nicht unterschrieben.",
            "No firmamos el contrato ayer.",
        ),
        (
            "nicht before a preposition",
            Statement(c(name("Paul"), "take part", "F", n("course"), negative=True)),
            "Paul will not take part in the course.",
            "Paul wird nicht am Kurs teilnehmen.",
            "Paul no participará en el curso.",
        ),
        (
            "comparison",
            Statement(
                Clause(
                    n("train"), None, "F", predicate=Predicate(words.adjective("fast"), n("bus"))
                )
            ),
            "The train will be faster than the bus.",
            "Der Zug wird schneller sein als der Bus.",
            "El tren será más rápido que el autobús.",
        ),
        (
            "estar",
            Statement(
                Clause(
                    n("library", adjective="old"),
                    None,
                    "P",
                    predicate=Predicate(words.adjective("closed")),
                )
            ),
            "The old library is closed.",
            "Die alte Bibliothek ist geschlossen.",
            "La biblioteca antigua está cerrada.",
        ),
        (
            "weak masculine, dative",
            Statement(c(p(I), "help", "S", n("student", adjective="young"))),
            "I helped the young student.",
            "Ich habe dem jungen Studenten geholfen.",
            "Ayudé al estudiante joven.",
        ),
        (
            "indirect object doubled",
            Statement(
                c(
                    p(HE),
                    "send",
                    "R",
                    n("letter", "poss", owner=HE),
                    n("teacher", "poss", owner=WE, plural=True),
                )
            ),
            "He has sent his letter to our teachers.",
            "Er hat unseren Lehrern seinen Brief geschickt.",
            "Les ha enviado su carta a nuestros profesores.",
        ),
        (
            "pronoun object",
            Statement(
                c(n("customer"), "send", "F", n("invoice"), p(WE)), opener=opener("However,")
            ),  # type: ignore[arg-type]
            "However, the customer will send us the invoice.",
            "Allerdings wird uns der Kunde die Rechnung schicken.",
            "Sin embargo, el cliente nos enviará la factura.",
        ),
        (
            "yes/no question",
            Question(c(p(YOU), "open", "can", n("window"))),
            "Can you open the window?",
            "Können Sie das Fenster öffnen?",
            "¿Puede usted abrir la ventana?",
        ),
        (
            "do question",
            Question(c(p(YOU), "register", "want", n("workshop"), gap="question")),
            "Do you want to register for the workshop?",
            "Wollen Sie sich für den Workshop anmelden?",
            "¿Quiere usted inscribirse en el taller?",
        ),
        (
            "why question",
            Question(c(n("director"), "postpone", "S", n("exam"), gap="question"), "why"),
            "Why did the director postpone the exam?",
            "Warum hat der Direktor die Prüfung verschoben?",
            "¿Por qué aplazó el director el examen?",
        ),
        (
            "request, separable",
            Request(c(p(YOU), "cancel", "P", n("concert"), adverbials=(TOMORROW,))),
            "Please cancel the concert tomorrow.",
            "Bitte sagen Sie morgen das Konzert ab.",
            "Por favor, cancele el concierto mañana.",
        ),
        (
            "impersonal, reflexive infinitive",
            Statement(
                Clause(
                    p(IT),
                    None,
                    "P",
                    predicate=Predicate(words.adjective("important")),
                    sub=Sub("to", c(p(IT), "apologize", "F", n("mistake"))),
                )
            ),
            "It is important to apologize for the mistake.",
            "Es ist wichtig, sich für den Fehler zu entschuldigen.",
            "Es importante disculparse por el error.",
        ),
        (
            "que and subjunctive, yo",
            Statement(
                c(
                    p(WE),
                    "hope",
                    "P",
                    sub=Sub("that subj", c(p(I), "find", "F", n("key", "poss", owner=I))),
                )
            ),
            "We hope that I will find my key.",
            "Wir hoffen, dass ich meinen Schlüssel finden werde.",
            "Esperamos que yo encuentre mi llave.",
        ),
        (
            "e before i",
            Statement(
                c(name("Paul"), "wait", "F", n("bus")),
                joiner="and",
                second=c(p(WE), "invite", "F", name("Clara"), n("concert")),
            ),
            "Paul will wait for the bus, and we will invite Clara to the concert.",
            "Paul wird auf den Bus warten und wir werden Clara zum Konzert einladen.",
            "Paul esperará el autobús e invitaremos a Clara al concierto.",
        ),
        (
            "progressive, new object late",
            Statement(
                c(
                    n("company"),
                    "build",
                    "G",
                    n("bridge", "indef", adjective="large"),
                    adverbials=(city("Vienna"),),
                )
            ),
            "The company is currently building a large bridge in Vienna.",
            "Die Firma baut gerade in Wien eine große Brücke.",
            "La empresa está construyendo un puente grande en Viena en este momento.",
        ),
        (
            "genitive",
            Statement(
                c(
                    n("price", of=n("ticket")),
                    "rise",
                    "R",
                    adverbials=(
                        at("by two percent", "um zwei Prozent", "un dos por ciento", "manner"),
                    ),
                )
            ),
            "The price of the ticket has risen by two percent.",
            "Der Preis des Tickets ist um zwei Prozent gestiegen.",
            "El precio del billete ha subido un dos por ciento.",
        ),
    ]


@pytest.mark.parametrize("case", goldens(), ids=lambda case: case[0])
def test_golden_pairs(case: tuple[str, Derivation, str, str, str]) -> None:
    _, item, en, de, es = case
    sentence = finish(item, "test", english_words(item))
    assert " ".join(sentence.source) == en
    assert " ".join(sentence.targets["de"]) == de
    assert " ".join(sentence.targets["es"]) == es


def _waits(item: Derivation, lang: str) -> dict[str, str]:
    """Target word -> the English word it waits for."""
    sentence = finish(item, "test", english_words(item))
    return {
        word: sentence.source[index]
        for word, index in zip(sentence.targets[lang], sentence.needs[lang], strict=True)
    }


def test_needs_follow_the_grammar() -> None:
    """
    English   Yesterday we  visited the new museum.
    German    Gestern   haben(visited) wir das(museum) neue Museum besucht.
    Spanish   Ayer      visitamos(visited) el(museum) nuevo museo.
    """
    new = n("museum", adjective="new")
    past = Statement(c(p(WE), "visit", "S", new, front=YESTERDAY))
    german = _waits(past, "de")
    assert german["Gestern"] == "Yesterday"
    assert german["haben"] == "visited"  # haben or sein depends on the verb
    assert german["das"] == "museum."  # gender
    assert _waits(past, "es")["visitamos"] == "visited"
    future = Statement(c(p(WE), "call", "F", n("customer"), adverbials=(TOMORROW,)))
    german = _waits(future, "de")
    assert (german["Wir"], german["werden"]) == ("We", "will")
    assert german["morgen"] == "tomorrow."  # time comes before the object in German
    spanish = _waits(future, "es")
    assert (spanish["Llamaremos"], spanish["al"]) == ("call", "customer")


def _back(item: Derivation, lang: str) -> dict[str, str]:
    """English word -> the word of the source in `lang` that it waits for."""
    source = source_words(item, lang)
    sentence = finish(item, "test", source, lang)
    needs = zip(sentence.targets["en"], sentence.needs["en"], strict=True)
    return {word: source[0][index] for word, index in needs}


def test_needs_of_the_way_back() -> None:
    """
    German    Gestern   haben wir das neue Museum besucht.
    Spanish   Ayer      visitamos el nuevo museo.
    English   Yesterday we(wir, visitamos) visited(besucht, visitamos) the new museum.
    """
    new = n("museum", adjective="new")
    past = Statement(c(p(WE), "visit", "S", new, front=YESTERDAY))
    german, spanish, french = (_back(past, lang) for lang in ("de", "es", "fr"))
    assert (german["Yesterday"], german["we"], german["visited"]) == ("Gestern", "wir", "besucht.")
    assert (spanish["we"], spanish["visited"]) == ("visitamos", "visitamos")  # no pronoun is said
    assert spanish["museum."] == "museo."
    assert (french["Yesterday"], french["we"], french["visited"]) == ("Hier,", "nous", "visité")
