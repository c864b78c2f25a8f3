"""The pages of a room in a real browser; skipped where there is no Chromium."""

import contextlib
import re

import pytest

from earvoice.audio import Audio, write_wav
from earvoice.serve.room_messages import Caption
from tests.serve.breaking import Breakable
from tests.serve.running import running, sound
from tests.serve.test_page import CHROMIUM, FLAGS, playwright

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
TEXTS = {
    "de": ["Guten Morgen", " und herzlich", " willkommen."],
    "ar": ["صباح الخير", " ومرحبا (OpenAI)", " بكم."],
    "ja": [
        "本日は、機械が",
        "どのように「聞き取り」",
        "、同時に翻訳するのかについてお話しします。",
    ],
}


@pytest.fixture(scope="module")
def server():
    with running(max_sessions=40) as up:
        yield up


class Browser:
    """A browser's pages, with what its console said and which other places it asked."""

    def __init__(self, browser):
        self._browser = browser
        self.errors = []
        self.foreign = []

    def open(self, url, ready="body[data-page=ready]", **options):
        page = self._browser.new_page(**options)
        page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self._see(request.url))
        page.goto(url)
        page.wait_for_selector(ready)
        return page

    def _see(self, url):
        if not re.match(r"(http|ws)://127\.0\.0\.1:|data:|blob:", url):
            self.foreign.append(url)


@contextlib.contextmanager
def chromium(*flags):
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        browser = Browser(launched)
        yield browser
        launched.close()
    assert browser.foreign == []


def fill(server, name):
    """A room with a history."""
    room = server.sessions.rooms.open(name)
    for language, texts in TEXTS.items():
        channel = room.channel("translation", language)
        for text in texts:
            channel.add(Caption(text=text, wall_s=0.0))
        channel.add(Caption(ends="sentence", wall_s=0.0))
    return room


def until(page, test, seconds=40):
    for _ in range(seconds * 10):
        if test():
            return
        page.wait_for_timeout(100)
    raise AssertionError("it did not come")


def text(page, selector):
    return page.inner_text(selector)


def test_the_audience_reads_the_history_in_its_language_and_direction(server):
    fill(server, "hall")
    with chromium() as browser:
        page = browser.open(f"{server.url}/room/hall?lang=ar")
        until(page, lambda: "بكم" in text(page, "#text"))
        assert (
            page.evaluate("getComputedStyle(document.querySelector('#text p')).direction") == "rtl"
        )
        page.select_option("#language", "translation ja")
        until(page, lambda: "翻訳" in text(page, "#text"))
        assert text(page, "#text").strip() == "".join(TEXTS["ja"])
        style = "(name) => getComputedStyle(document.querySelector('#text'))[name]"
        assert page.evaluate(style, "direction") == "ltr"
        assert page.evaluate(style, "lineBreak") == "strict"
        before = page.evaluate(style, "fontSize")
        page.keyboard.press("Escape")
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("+")
        page.keyboard.press("c")
        assert page.evaluate(style, "fontSize") > before
        assert page.evaluate("document.documentElement.className") == "contrast"
        assert browser.errors == []


def test_what_a_model_says_is_shown_and_never_run(server):
    room = server.sessions.rooms.open("attack")
    evil = "<img src=x onerror=\"document.title='fired'\"><script>document.title='fired'</script>"
    room.rename("<b onclick=x>title</b>")
    room.channel("translation", "de").add(Caption(text=evil, wall_s=0.0))
    with chromium() as browser:
        page = browser.open(f"{server.url}/room/attack")
        until(page, lambda: "onerror" in text(page, "#text"))
        assert page.query_selector("#text img, #text script, #title b") is None
        assert "fired" not in page.title()
        overlay = browser.open(f"{server.url}/overlay/attack?lang=de")
        room.channel("translation", "de").add(Caption(text=evil, wall_s=0.0))
        for viewer in room.viewers:
            viewer.wake.set()
        overlay.wait_for_timeout(1500)
        assert overlay.query_selector("#lines img, #lines script") is None
        assert browser.errors == []


@pytest.mark.parametrize(
    ("language", "words", "never_first", "never_last"),
    [
        (
            "ja",
            "本日は、機械が「どのように」聞き取り、同時に翻訳するのか（順に）お話しします。",
            "、。」）ょっー",
            "「（",
        ),
        (
            "zh",
            "大家好，今天我们来谈谈《机器》如何“聆听”并且同时翻译。谢谢大家！",
            "，。》”！",
            "《“",
        ),
        (
            "de",
            "Er sagte: »Das ist (fast) fertig«, und ging um 12,5 % schneller nach Hause.",
            ".,%)",
            "(»",
        ),
        ("ar", "صباح الخير، اليوم نتحدث عن كيف تستمع الآلات وتترجم في نفس الوقت؟", "،؟", ""),
    ],
)
def test_lines_break_where_a_language_allows_it(server, language, words, never_first, never_last):
    with chromium() as browser:
        page = browser.open(f"{server.url}/overlay/none?lang={language}")
        lines = page.evaluate(
            """async ([text, language]) => {
              const { Lines, units } = await import('../lines.js');
              const box = document.createElement('div');
              box.style.cssText = 'width:260px;font:32px sans-serif;white-space:pre';
              document.body.append(box);
              const lines = new Lines(box, 99);
              for (const unit of units(text, language)) lines.add(unit);
              return Array.from(box.children, (line) => ({
                text: line.textContent, width: line.firstChild.getBoundingClientRect().width }));
            }""",
            [words, language],
        )
    assert len(lines) > 1
    assert "".join("".join(line["text"] for line in lines).split()) == "".join(words.split())
    assert all(line["width"] <= 260 for line in lines)
    for line in lines[1:]:
        assert line["text"][0] not in never_first
    for line in lines[:-1]:
        assert line["text"][-1] not in (never_last or "\0")
    if language in ("de", "ar"):
        assert " ".join(line["text"] for line in lines) == words


def test_a_word_wider_than_the_screen_is_broken(server):
    with chromium() as browser:
        page = browser.open(f"{server.url}/overlay/none?lang=de")
        lines = page.evaluate(
            """async () => {
              const { Lines } = await import('../lines.js');
              const box = document.createElement('div');
              box.style.cssText = 'width:120px;font:32px sans-serif;white-space:pre';
              document.body.append(box);
              const lines = new Lines(box, 99);
              lines.add('Donaudampfschifffahrt ');
              return Array.from(box.children, (line) => line.textContent);
            }"""
        )
    assert len(lines) > 1
    assert "".join(lines) == "Donaudampfschifffahrt"


def test_captions_come_at_the_speed_of_reading_and_catch_up(server):
    with chromium() as browser:
        page = browser.open(f"{server.url}/overlay/none?lang=de")
        slow, fast, wide = page.evaluate(
            """async () => {
              const { pause_ms, weight } = await import('../pace.js');
              const text = 'seventeen letters';
              return [pause_ms(text, 0), pause_ms(text, 850), weight('翻訳')];
            }"""
        )
    assert slow == pytest.approx(1000)
    assert fast == pytest.approx(100)
    assert wide == 5


def test_the_overlay_is_transparent_and_has_two_lines(server):
    room = fill(server, "stage")
    with chromium() as browser:
        page = browser.open(
            f"{server.url}/overlay/stage?lang=de&speed=100", viewport={"width": 600, "height": 300}
        )
        until(page, lambda: any(viewer.channel for viewer in room.viewers))
        channel = room.channel("translation", "de")
        for number in range(12):
            channel.add(Caption(text=f" word{number} and", wall_s=0.0))
        for viewer in room.viewers:
            viewer.wake.set()
        until(page, lambda: "word11 and" in text(page, "#lines"))
        assert "Guten" not in text(page, "#lines")
        assert page.evaluate("document.querySelectorAll('#lines > div').length") == 2
        style = "getComputedStyle(document.body).backgroundColor"
        assert page.evaluate(style) == "rgba(0, 0, 0, 0)"
        assert browser.errors == []


def test_a_broken_line_loses_no_word_on_either_page(server, tmp_path):
    """The speaker's and a reader's connections are cut several times while a talk goes on."""
    wav = tmp_path / "talk.wav"
    write_wav(wav, Audio.of(sound(12.0)))
    with Breakable(server.port) as line, chromium() as browser:
        page = browser.open(f"http://127.0.0.1:{line.port}", "body[data-state=ready]")
        page.set_input_files("#file", wav)
        page.select_option("#source", "file")
        page.check("#open-room")
        page.fill("#room", "cut")
        page.click("#start")
        until(page, lambda: server.sessions.rooms.find("cut"))
        reader = browser.open(f"http://127.0.0.1:{line.port}/room/cut?lang=de")
        for _ in range(3):
            page.wait_for_timeout(1500)
            line.cut()
        assert line.broken >= 4
        page.wait_for_selector("body[data-state=over]", timeout=60_000)
        said = text(page, "#translation").split()
        until(reader, lambda: len(text(reader, "#text").split()) == len(said))
        assert text(reader, "#text").split() == said
        places = [int(word.split(":")[0]) for word in said]
        assert places == list(range(len(places)))
        assert len(places) >= 120


def test_terms_act_at_once(tmp_path):
    """A term that is typed while one speaks changes the words after it."""
    wav = tmp_path / "talk.wav"
    write_wav(wav, Audio.of(sound(20.0)))
    with running() as server, chromium() as browser:
        page = browser.open(server.url, "body[data-state=ready]")
        assert "takes no terms" in text(page, "#glossary-note")
        page.select_option("#tgt", "pl")
        assert "next words" in text(page, "#glossary-note")
        page.set_input_files("#file", wav)
        page.select_option("#source", "file")
        page.click("#start")
        until(page, lambda: len(text(page, "#translation").split()) > 5)
        heard = text(page, "#translation").split()
        assert heard == [f"w{number}" for number in range(len(heard))]
        # Far enough ahead to be typed in time.
        later = f"w{len(heard) + 80}"
        page.click("#add-term")
        page.keyboard.type(later)
        page.keyboard.press("Tab")
        page.keyboard.type("TERM")
        page.keyboard.press("Enter")
        page.wait_for_selector("body[data-state=over]", timeout=90_000)
        final = text(page, "#translation").split()
        want = [f"w{number}" for number in range(len(final))]
        want[want.index(later)] = "TERM"
        assert final == want
        assert browser.errors == []


def test_the_operator_sees_and_steers(server):
    fill(server, "opera")
    with chromium() as browser:
        page = browser.open(f"{server.url}/operator")
        card = page.locator("section.room").filter(has_text="opera ·")
        card.locator("input.title").fill("The <i>opera</i>")
        card.locator("input.title").press("Enter")
        until(page, lambda: server.sessions.rooms.find("opera").title == "The <i>opera</i>")
        card.locator("button.show-code").click()
        page.wait_for_selector("#code svg path")
        page.keyboard.press("Escape")
        card.locator("button.end").click()
        card.locator("button.end").click()
        until(page, lambda: server.sessions.rooms.find("opera").ended)
        page.fill("#name", "another")
        page.keyboard.press("Enter")
        until(page, lambda: server.sessions.rooms.find("another"))
        assert browser.errors == []


def test_a_field_for_the_token_is_there_only_if_one_is_asked_for():
    token = "a-token-of-some-length"
    with chromium() as browser:
        with running() as server:
            page = browser.open(server.url, "body[data-state=ready]")
            assert not page.is_visible("#token")
        with running(tokens=(token,)) as server:
            page = browser.open(server.url, "body[data-state=ready]")
            assert page.is_visible("#token")
            page = browser.open(f"{server.url}/#token={token}", "body[data-state=ready]")
            assert not page.is_visible("#token")
            page.click("#start")
            until(page, lambda: len(text(page, "#translation")) > 20)


def test_the_sound_of_a_tab_is_translated(server):
    flags = ["--auto-accept-this-tab-capture", "--auto-select-tab-capture-source-by-title=tone"]
    with chromium(*flags) as browser:
        tone = browser.open(f"{server.url}/room/tone", "body[data-page=ready]")
        tone.evaluate(
            """() => {
              document.title = 'tone';
              const context = new AudioContext();
              const tone = new OscillatorNode(context, { frequency: 440 });
              tone.connect(context.destination);
              tone.start();
            }"""
        )
        page = browser.open(server.url, "body[data-state=ready]")
        page.select_option("#source", "tab")
        page.click("#start")
        until(page, lambda: page.get_attribute("body", "data-state") in ("live", "over"))
        if page.get_attribute("body", "data-state") == "over":
            pytest.skip(f"this browser cannot share a tab: {text(page, '#state')}")
        until(page, lambda: len(text(page, "#translation").split()) > 5)
        page.keyboard.press("e")
        page.wait_for_selector("body[data-state=over]")
