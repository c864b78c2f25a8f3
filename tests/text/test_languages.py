import pytest

from earvoice.errors import UsageError
from earvoice.text.languages import LANGUAGES, direction_pairs, language


@pytest.mark.parametrize(
    ("code", "primary"), [("de", "de"), ("pt-BR", "pt"), ("zh_Hant", "zh"), ("EN", "en")]
)
def test_region_and_script_do_not_matter(code, primary):
    assert language(code).code == primary


def test_spacing():
    assert [code for code in ("en", "zh", "ja", "ko", "th") if language(code).spaced] == [
        "en",
        "ko",
    ]


@pytest.mark.parametrize(
    ("code", "hint"),
    [("German", "'de'"), ("english", "'en'"), ("dee", "'de'"), ("Spanisch", "'es'")],
)
def test_a_wrong_code_gives_the_nearest(code, hint):
    with pytest.raises(UsageError, match=f"did you mean .*{hint}"):
        language(code)


@pytest.mark.parametrize("code", ["", "??", "../etc", "x" * 1000])
def test_nonsense_is_refused(code):
    with pytest.raises(UsageError, match="not a language code"):
        language(code)


def test_the_table():
    assert len(LANGUAGES) > 80
    assert all(
        code == entry.code and 2 <= len(code) <= 3 and entry.name[0].isupper()
        for code, entry in LANGUAGES.items()
    )
    with pytest.raises(TypeError):
        LANGUAGES["xx"] = LANGUAGES["de"]


def test_directions_are_pairs_of_known_languages():
    assert direction_pairs(("zh-en", "en-zh")) == (("zh", "en"), ("en", "zh"))
    with pytest.raises(UsageError, match="'ende' must be two language codes such as 'de-en'"):
        direction_pairs(("de-en", "ende"))
    with pytest.raises(UsageError, match="'xx' is not a language code"):
        direction_pairs(("de-xx",))
