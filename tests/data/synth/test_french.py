"""French: what a native would write for explicit constituents, and the forms behind it."""

from __future__ import annotations

import random
import re

import pytest

from earvoice.data.synth.grammar import numbers, sample_sentence, words
from earvoice.data.synth.grammar.adverbials import time
from earvoice.data.synth.grammar.french_adverbials import fixed
from earvoice.data.synth.grammar.french_forms import agree, elided, participle, verb_form
from earvoice.data.synth.grammar.sentence import (
    Derivation,
    Question,
    Request,
    Statement,
    english_words,
    finish,
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
from tests.data.synth.made_clauses import TOMORROW, TRAIN, YESTERDAY, at, c, n, name, opener, p

SOON = at("soon", "bald", "pronto")
CAREFULLY = at("carefully", "sorgfältig", "cuidadosamente", "manner")


def said(who: NP, adjective: str, tense: str = "P", **more: object) -> Clause:
    """Somebody or something is so."""
    return Clause(who, None, tense, predicate=Predicate(words.adjective(adjective), **more))  # type: ignore[arg-type]


def object_relative(thing: str, who: NP, verb: str, det: str = "def", **more: object) -> NP:
    """The letter that we sent: of the verb's objects the first is left out."""
    inner = c(who, verb, "S", n(thing), gap="object")
    return n(thing, det, relative=Relative(inner, "object"), **more)


GOLDENS: list[tuple[str, Derivation]] = [
    ("Demain, nous nous rendrons à Berlin en train.",
     Statement(c(p(WE), "travel", "F", name("Berlin", "city"), front=TOMORROW,
                 adverbials=(TRAIN,)))),
    ("Ils se sont rendus en Italie.",
     Statement(c(p(THEY), "travel", "S", name("Italy", "country")))),
    ("Elle a pris l'avion pour le Mexique.",
     Statement(c(p(SHE), "fly", "S", name("Mexico", "country")))),
    ("J'habite au Portugal.", Statement(c(p(I), "live", "P", name("Portugal", "country")))),
    ("Anna appelle sa sœur.",
     Statement(c(name("Anna"), "call", "P", n("sister", "poss", owner=SHE)))),
    ("Nous avons annulé la réunion parce que le directeur a perdu le contrat.",
     Statement(c(p(WE), "cancel", "S", n("meeting"),
                 sub=Sub("because", c(n("director"), "lose", "S", n("contract")))))),
    ("Bien que j'aie voulu annuler la conférence, l'équipe a terminé le projet.",
     Statement(c(n("team"), "finish", "S", n("project")),
               leading=Sub("although", c(p(I), "cancel", "wanted", n("conference"))))),
    ("Quand le train arrivera à Munich, nous appellerons le client.",
     Statement(c(p(WE), "call", "F", n("customer")),
               leading=Sub("when", c(n("train"), "arrive", "P", name("Munich", "city"))))),
    ("Je dois payer la facture avant de prendre l'avion pour Rome.",
     Statement(c(p(I), "pay", "must", n("invoice"),
                 sub=Sub("before", c(p(I), "fly", "P", name("Rome", "city"), gap="same"))))),
    ("Je paierai la facture avant que la banque ferme.",
     Statement(c(p(I), "pay", "F", n("invoice"),
                 sub=Sub("before", c(n("bank"), "close", "P", frame=1))))),
    ("Nous expliquerons le plan aux étudiants pour qu'ils puissent résoudre le problème.",
     Statement(c(p(WE), "explain", "F", n("plan"), n("student", plural=True),
                 sub=Sub("so that", c(p(THEY), "solve", "can", n("problem")))))),
    ("Paul étudiera à Vienne pour pouvoir apprendre l'allemand.",
     Statement(c(name("Paul"), "study", "F", name("Vienna", "city"),
                 sub=Sub("so that", c(p(HE), "learn", "can", name("German", "language")))))),
    ("Nous avons besoin d'un nouvel ordinateur pour télécharger le programme.",
     Statement(c(p(WE), "need", "P", n("computer", "indef", adjective="new"),
                 sub=Sub("in order to", c(p(WE), "download", "F", n("program")))))),
    ("Le directeur veut que l'équipe termine le rapport demain.",
     Statement(c(n("director"), "want", "P",
                 sub=Sub("want", c(n("team"), "finish", "P", n("report"),
                                   adverbials=(TOMORROW,)))))),
    ("Nous espérons que je trouverai ma clé.",
     Statement(c(p(WE), "hope", "P",
                 sub=Sub("that subj", c(p(I), "find", "F", n("key", "poss", owner=I)))))),
    ("La lettre que nous avons envoyée est importante.",
     Statement(said(object_relative("letter", p(WE), "send"), "important"))),
    ("La tâche qu'Anna a accomplie était difficile.",
     Statement(said(object_relative("task", name("Anna"), "solve"), "difficult", "S"))),
    ("L'idée dont ils ont discuté est bonne.",
     Statement(said(object_relative("idea", p(THEY), "discuss"), "good"))),
    ("L'équipe à laquelle Anna a rendu visite est grande.",
     Statement(said(n("team", relative=Relative(
         c(name("Anna"), "visit", "S", n("team"), frame=1, gap="object"), "object")), "large"))),
    ("Ces documents doivent être traduits.",
     Statement(c(n("document", "this", plural=True), "translate", "must", passive=True))),
    ("Vingt et une invitations ont été refusées.",
     Statement(c(n("invitation", "number", plural=True, number=21), "reject", "R",
                 passive=True))),
    ("Si j'avais plus de temps, nous visiterions le musée.",
     Statement(c(p(WE), "visit", "would", n("museum")),
               leading=Sub("if", Clause(p(I), words.verb("have"), "had", adverbials=(
                   at("more time", "mehr Zeit", "más tiempo", "manner"),))))),
    ("Nous n'avons pas trouvé de solution.",
     Statement(c(p(WE), "find", "S", n("solution", "indef"), negative=True))),
    ("Ils ne mangeront pas de poisson.",
     Statement(c(p(THEY), "eat", "F", n("fish", "bare"), negative=True))),
    ("La réunion n'aura pas lieu.",
     Statement(c(n("meeting"), "take place", "F", negative=True))),
    ("Elle boit du café.", Statement(c(p(SHE), "drink", "P", n("coffee", "bare")))),
    ("Nous testons de nouveaux ordinateurs.",
     Statement(c(p(WE), "test", "P", n("computer", "bare", plural=True, adjective="new")))),
    ("Le train sera plus rapide que le bus.",
     Statement(Clause(n("train"), None, "F",
                      predicate=Predicate(words.adjective("fast"), n("bus"))))),
    ("Cette voiture est neuve.", Statement(said(n("car", "this"), "new"))),
    ("Cet hôtel est calme.", Statement(said(n("hotel", "this"), "quiet"))),
    ("Les billets sont moins chers que les valises.",
     Statement(Clause(n("ticket", plural=True), None, "P", predicate=Predicate(
         words.adjective("cheap"), n("suitcase", plural=True))))),
    ("Il a envoyé sa lettre à nos professeurs.",
     Statement(c(p(HE), "send", "R", n("letter", "poss", owner=HE),
                 n("teacher", "poss", owner=WE, plural=True)))),
    ("Cependant, le client nous enverra la facture.",
     Statement(c(n("customer"), "send", "F", n("invoice"), p(WE)), opener=opener("However,"))),
    ("Peut-être qu'elle s'est inscrite à l'atelier.",
     Statement(c(p(SHE), "register", "S", n("workshop")), opener=opener("Perhaps"))),
    ("Nous signerons bientôt le contrat.",
     Statement(c(p(WE), "sign", "F", n("contract"), adverbials=(SOON,)))),
    ("Anna a soigneusement vérifié les rapports hier.",
     Statement(c(name("Anna"), "check", "S", n("report", plural=True),
                 adverbials=(CAREFULLY, YESTERDAY)))),
    ("Est-ce que vous voulez vous inscrire au cours?",
     Question(c(p(YOU), "register", "want", n("course"), gap="question"))),
    ("Pourquoi est-ce qu'Anna a reporté l'examen?",
     Question(c(name("Anna"), "postpone", "S", n("exam"), gap="question"), "why")),
    ("Veuillez rendre visite à l'expert.", Request(c(p(YOU), "visit", "P", n("expert"), frame=1))),
    ("Il est important de s'excuser pour l'erreur.",
     Statement(Clause(p(IT), None, "P", predicate=Predicate(words.adjective("important")),
                      sub=Sub("to", c(p(IT), "apologize", "F", n("mistake")))))),
    ("Il est important que nous nous souvenions de la règle.",
     Statement(Clause(p(IT), None, "P", predicate=Predicate(words.adjective("important")),
                      sub=Sub("that subj", c(p(WE), "remember", "P", n("rule")))))),
]  # fmt: skip


@pytest.mark.parametrize(("french", "item"), GOLDENS, ids=[french for french, _ in GOLDENS])
def test_golden_sentences(french: str, item: Derivation) -> None:
    sentence = finish(item, "test", english_words(item))
    assert " ".join(sentence.targets["fr"]) == french


def test_superlatives_before_a_vowel() -> None:
    best = n("hotel", adjective="beautiful", superlative=True)
    plain = Statement(c(p(WE), "find", "S", best))
    assert " ".join(finish(plain, "", english_words(plain)).targets["fr"]) == (
        "Nous avons trouvé le plus bel hôtel."
    )


def test_the_newest_is_the_most_recent() -> None:
    best = n("restaurant", adjective="new", superlative=True)
    plain = Statement(c(p(WE), "find", "S", best))
    assert " ".join(finish(plain, "", english_words(plain)).targets["fr"]) == (
        "Nous avons trouvé le restaurant le plus récent."
    )


@pytest.mark.parametrize(
    ("infinitive", "tense", "forms"),
    [
        ("appeler", "present", "appelle appelle appelons appelez appellent"),
        ("acheter", "future", "achèterai achètera achèterons achèterez achèteront"),
        ("espérer", "future", "espérerai espérera espérerons espérerez espéreront"),
        ("manger", "present", "mange mange mangeons mangez mangent"),
        ("commencer", "imperfect", "commençais commençait commencions commenciez commençaient"),
        ("nettoyer", "subjunctive", "nettoie nettoie nettoyions nettoyiez nettoient"),
        ("choisir", "subjunctive", "choisisse choisisse choisissions choisissiez choisissent"),
        ("prendre", "subjunctive", "prenne prenne prenions preniez prennent"),
        ("comprendre", "present", "comprends comprend comprenons comprenez comprennent"),
        ("vendre", "present", "vends vend vendons vendez vendent"),
        ("envoyer", "conditional", "enverrais enverrait enverrions enverriez enverraient"),
        ("résoudre", "present", "résous résout résolvons résolvez résolvent"),
        ("plaindre", "subjunctive", "plaigne plaigne plaignions plaigniez plaignent"),
        ("publier", "subjunctive", "publie publie publiions publiiez publient"),
        ("être", "imperfect", "étais était étions étiez étaient"),
    ],
)
def test_verbs(infinitive: str, tense: str, forms: str) -> None:
    assert " ".join(verb_form(infinitive, tense, person) for person in range(5)) == forms


def test_imperfect_of_commencer_keeps_its_sound() -> None:
    assert verb_form("commencer", "imperfect", 1) == "commençait"
    with pytest.raises(KeyError, match="aorist"):
        verb_form("commencer", "aorist", 1)


def test_agreement_and_elision() -> None:
    assert [participle("prendre", "f", True), participle("devoir", "f"), participle("vendre")] == [
        "prises", "due", "vendu",
    ]  # fmt: skip
    assert agree("international", "internationale", "m", True) == "internationaux"
    assert agree("dangereux", "dangereuse", "m", True) == "dangereux"
    assert agree("bon marché", "bon marché", "f", True) == "bon marché"
    assert [elided(*pair) for pair in (("de", "Athènes"), ("Que", "il"), ("si", "ils"))] == [
        "d'Athènes", "Qu'il", "s'ils",
    ]  # fmt: skip
    for kept in (("si", "elle"), ("le", "huit"), ("de", "Hambourg"), ("de", "onze")):
        assert elided(*kept) == ""


@pytest.mark.parametrize(
    ("number", "spoken"),
    [
        (21, "vingt et un"), (70, "soixante-dix"), (71, "soixante et onze"),
        (80, "quatre-vingts"), (81, "quatre-vingt-un"), (97, "quatre-vingt-dix-sept"),
        (100, "cent"), (200, "deux cents"), (245, "deux cent quarante-cinq"),
        (280, "deux cent quatre-vingts"), (1500, "mille cinq cents"),
        (3080, "trois mille quatre-vingts"),
    ],
)  # fmt: skip
def test_numbers(number: int, spoken: str) -> None:
    assert " ".join(numbers.french(number)) == spoken


def test_feminine_numbers() -> None:
    assert numbers.french(21, "f") == ["vingt", "et", "une"]
    assert numbers.french(31, "m") == ["trente", "et", "un"]


@pytest.mark.parametrize(
    ("english", "french"),
    [
        ("at half past eight", "à huit heures et demie"),
        ("at quarter to one", "à une heure moins le quart"),
        ("at ten past three", "à trois heures dix"),
        ("at five in the afternoon", "à cinq heures de l'après-midi"),
        ("on the first of May", "le premier mai"),
        ("on the twenty-first of August", "le vingt et un août"),
        ("on Monday morning", "lundi matin"),
        ("every Sunday", "tous les dimanches"),
        ("next Friday at nine in the evening", "vendredi prochain à neuf heures du soir"),
        ("in March", "en mars"),
        ("in nineteen ninety-eight", "en mille neuf cent quatre-vingt-dix-huit"),
        ("for two weeks", "pendant deux semaines"),
        ("by twenty-one percent", "de vingt et un pour cent"),
    ],
)
def test_adverbials(english: str, french: str) -> None:
    assert " ".join(fixed(tuple(english.split()))) == french


def test_every_time_has_french() -> None:
    rng = random.Random(2)
    for kind in ("past", "future", "perfect", "habit", "clock", "next clock"):
        for _ in range(300):
            item = time(rng, kind)
            assert item.np or fixed(item.en)
    with pytest.raises(KeyError, match="no French for the adverbial 'in a while'"):
        fixed(("in", "a", "while"))


_WORD = re.compile(r"^([cdlnsjm]'|qu')?[A-Za-zÀ-ÿœ]+(-[a-zà-ÿ]+)*$", re.IGNORECASE)


def test_sampled_french_is_clean() -> None:
    rng = random.Random(4)
    for _ in range(3000):
        french = sample_sentence(rng).targets["fr"]
        text = " ".join(french)
        assert text[0].isupper()
        assert text[-1] in ".?"
        for word in french:
            bare = word.lower().rstrip(",.?").removeprefix("d'")
            assert bare == "aujourd'hui" or _WORD.match(bare), (word, text)
        lower = f" {text.lower()} ".replace(" onze", " ")
        assert not re.search(r" (de|à) (les?|des|du) ", lower), text
        assert not re.search(r" (le|la|de|que|ne|se|me|je) [aeiouéèêîôy]", lower), text


def test_a_french_sentence_has_one_translation() -> None:
    rng = random.Random(6)
    seen: dict[str, tuple[str, ...]] = {}
    for _ in range(1500):
        sentence = sample_sentence(rng, language="fr")
        spoken = re.sub(r"[^\w ]", "", " ".join(sentence.source).lower())
        english = sentence.targets["en"]
        assert seen.setdefault(spoken, english) == english
        assert len(sentence.needs["en"]) == len(english)
        assert sentence.needs["en"][-1] == len(sentence.source) - 1
