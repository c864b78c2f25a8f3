"""The report page: whole, inert, self-contained, small; and in a browser, silent."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
import time
import urllib.request
from html.parser import HTMLParser

import pytest

from earvoice.cli import main
from earvoice.errors import UsageError
from earvoice.eval.report.markup import safe, shown, ticks
from earvoice.eval.report.worst import marked
from earvoice.eval.scored import Item
from tests.eval.made_runs import made_run

ATTACK = (
    '<script>document.title="taken"</script><img/src="https://evil.example/x"/onerror=alert(1)>'
)
VOID = {"meta", "link", "input", "br", "img"}


class Page(HTMLParser):
    """Reads a page: whether its tags close, what they are, every attribute, all text."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.attributes, self.texts, self.wrong = [], [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append((tag, self.getpos()))

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))


def report(tmp_path, *runs, more=()):
    out = tmp_path / "report.html"
    code = main(
        ["eval", "report", *map(str, runs), "--tgt-lang", "de", "--out", str(out), *map(str, more)]
    )
    assert code == 0
    return out.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    """A page of three runs, one of which wrote a script and is called one."""
    folder = tmp_path_factory.mktemp("report")
    runs = [made_run(folder / "k1", k=1), made_run(folder / "k2", k=2, errors=11)]
    runs.append(made_run(folder / "<b>'&\"k3", k=3, errors=3, spoken=ATTACK))
    return report(folder, *runs, more=["--title", "A <title> & more"])


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_every_tag_closes(page):
    assert page.wrong == []
    assert page.open == []


def test_nothing_is_fetched(page):
    for tag, name, value in page.attributes:
        assert name not in ("src", "srcset", "action", "style", "xlink:href"), (tag, name)
        assert not name.startswith("on"), (tag, name)
        if name == "href":
            assert value.startswith("#") or value == "data:,", value
    assert not {"img", "iframe", "object", "embed", "base", "form", "image", "use"} & set(page.tags)
    css = "".join(text for tag, text in page.texts if tag == "style")
    assert "url(" not in css
    assert "@import" not in css
    script = "".join(text for tag, text in page.texts if tag == "script")
    assert not re.search(r"fetch|XMLHttp|WebSocket|EventSource|import|eval|innerHTML", script)


def test_a_script_in_the_output_is_text(page, html):
    assert page.tags.count("script") == 1
    assert "<script>document" not in html
    assert html.count("document.title=&quot;taken&quot;") >= 2  # timeline and worst segments
    assert any("<script>document" in text for tag, text in page.texts if tag == "text")


def test_the_policy_allows_this_style_and_this_script_alone(page):
    policy = next(value for _, name, value in page.attributes if name == "content" and "'" in value)
    assert policy.startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        content = "".join(text for where, text in page.texts if where == tag)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_the_page_shows_every_part(page, html):
    text = " ".join(text for _, text in page.texts)
    for words in (
        "A <title> & more",
        "LongYAAL (CA queue)",
        "<b>'&\"k3",
        "wait-k:k=2,n=3",
        "nrefs:1",
        "talk2",
        "lowest chrF, mean of the runs",
        "3 talks: the intervals are wide",
        "src",
    ):
        assert words in text, words
    assert html.count('<svg class="chart"') == 4
    assert html.count('<svg class="histogram"') == 3
    assert html.count('class="talk"') == 3


def test_one_run(tmp_path):
    page = Page(report(tmp_path, made_run(tmp_path / "only", talks=1)))
    assert (page.wrong, page.open) == ([], [])
    assert "one talk: there are no intervals and no tests" in dict.fromkeys(
        t for _, t in page.texts
    )


def test_a_run_that_wrote_nothing(tmp_path):
    run = made_run(tmp_path / "mute", talks=2, errors=1)
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    kept = [json.dumps(line) + "\n" for line in log if "stamped" not in line]
    (run / "log.jsonl").write_text("".join(kept))
    html = report(tmp_path, run, made_run(tmp_path / "loud", talks=2))
    assert Page(html).wrong == []
    assert "nothing written" in html
    assert "nothing was written" in html


def test_runs_on_other_data_share_a_page(tmp_path):
    html = report(tmp_path, made_run(tmp_path / "a", talks=2), made_run(tmp_path / "b", talks=3))
    assert "the runs are not compared: " in html
    assert html.count('class="talk"') == 3


def test_short_form_from_a_log_of_another_tool(tmp_path):
    lines = [
        {
            "source": [f"{i}.wav"],
            "prediction": "eins \u0000 zwei \u0001",
            "delays": [500.0, 900.0, 1500.0, 1900.0],
            "elapsed": [600.0, 1000.0, 1700.0, 2100.0],
            "source_length": 2000.0,
            "reference": "eins zwei drei vier",
        }
        for i in range(4)
    ]
    log = tmp_path / "instances.log"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    html = report(tmp_path, log, more=["--log-format", "simuleval"])
    assert Page(html).wrong == []
    assert "\ufffd" in html
    assert "\u0000" not in html


def test_times_of_a_clock_make_no_rows_of_years(tmp_path):
    line = {
        "source": ["a.wav"],
        "prediction": "eins zwei drei",
        "delays": [900.0, 25_000.0, 1_700_000_000_000.0],
        "source_length": 12_000.0,
        "reference": "eins zwei drei",
    }
    log = tmp_path / "instances.log"
    log.write_text(json.dumps(line) + "\n")
    html = report(tmp_path, log, more=["--log-format", "simuleval"])
    starts = re.findall(r'class="lane r0".*?data-t="(\d+)"', html)
    assert starts == ["0", "10000000", "20000000", "1700000000000000"]


def test_times_of_words_come_from_the_corpus(tmp_path):
    run = made_run(tmp_path / "run", talks=1)
    cut = {
        "id": "talk0",
        "start": 0.0,
        "duration": 9.0,
        "supervisions": [
            {
                "start": 0.5,
                "duration": 2.0,
                "text": "hello there",
                "alignment": {"word": [["hello", 0.5, 0.4, None], ["there<", 1.1, 0.5, None]]},
            }
        ],
        "recording": {"sampling_rate": 16000, "sources": [{"source": "audio/talk0.wav"}]},
    }
    (tmp_path / "cuts.jsonl").write_text(json.dumps(cut) + "\n")
    html = report(tmp_path, run, more=["--data", tmp_path / "cuts.jsonl"])
    assert ">there&lt;</text>" in html


def test_a_page_of_many_runs_stays_small(tmp_path):
    runs = [
        made_run(tmp_path / f"run{i}", k=1 + i % 5, model=f"m{i // 5}", talks=4, sentences=6)
        for i in range(10)
    ]
    assert len(report(tmp_path, *runs).encode()) < 500_000


def test_what_does_not_fit_is_left_out_and_said(tmp_path, monkeypatch):
    monkeypatch.setattr("earvoice.eval.report.page.PAGE_BYTES", 60_000)
    html = report(tmp_path, made_run(tmp_path / "run", talks=12, sentences=10))
    left = re.search(r"(\d+) recordings are left out", html)
    assert left
    assert html.count('class="talk"') == 12 - int(left[1])


def test_out_must_be_a_file(tmp_path, capsys):
    run = str(made_run(tmp_path / "run", talks=1))
    code = main(["eval", "report", run, "--tgt-lang", "de", "--out", str(tmp_path)])
    assert code == UsageError.exit_code
    assert "a folder" in capsys.readouterr().err


def test_names_of_metrics_are_the_fields():
    assert shown("long_yaal_ca_queue") == "LongYAAL (CA queue)"
    assert shown("stream_laal") == "StreamLAAL"
    assert shown("bleu") == "BLEU"
    assert shown("empty_segments") == "empty segments"


def test_words_that_the_reference_does_not_have_are_marked():
    item = Item("das <i> Haus brennt", "das Haus steht", lambda clock: None, frozenset())
    assert marked(item, "word") == "das <mark>&lt;i&gt;</mark> Haus <mark>brennt</mark>"


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.0), (1.2, 3.4), (-5.0, 900.0), (99.9, 100.0)])
def test_ticks_hold_what_they_must(low, high):
    found = ticks(low, high)
    assert found[0] <= low
    assert found[-1] >= high
    assert 2 <= len(found) <= 9


def test_no_control_character_and_no_lone_surrogate_reaches_the_page():
    assert safe("a\x00\ud800\x9f<\"'>&\n") == "a\ufffd?\ufffd&lt;&quot;&#x27;&gt;&amp;\n"


DRIVER, BROWSER = shutil.which("chromedriver"), shutil.which("chromium")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)


class Browser:
    """A headless Chromium behind chromedriver, with its console and its requests."""

    def __init__(self, folder, port=9531):
        self.base = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [DRIVER, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        options = {"binary": BROWSER, "args": [*FLAGS, f"--user-data-dir={folder}"]}
        logs = {"browser": "ALL", "performance": "ALL"}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": logs}
        for _ in range(100):
            try:
                self.call("GET", "/status")
                break
            except OSError:
                time.sleep(0.2)
        made = self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.session = f"/session/{made['sessionId']}"

    def call(self, method, path, data=None):
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(self.base + path, body, method=method)
        with urllib.request.urlopen(request, timeout=90) as answer:
            return json.load(answer)["value"]

    def open(self, path):
        self.call("POST", f"{self.session}/url", {"url": path.as_uri()})

    def run(self, script):
        return self.call("POST", f"{self.session}/execute/sync", {"script": script, "args": []})

    def log(self, kind):
        return self.call("POST", f"{self.session}/se/log", {"type": kind})

    def quit(self):
        self.call("DELETE", self.session)
        self.process.terminate()
        self.process.wait()


@pytest.mark.slow
@pytest.mark.skipif(not (DRIVER and BROWSER), reason="chromium and chromedriver are not installed")
def test_in_a_browser_nothing_fails_and_nothing_is_fetched(tmp_path, html):
    path = tmp_path / "report.html"
    path.write_text(html, encoding="utf-8")
    browser = Browser(tmp_path / "profile")
    try:
        browser.open(path)
        assert browser.run("return document.title") == "A <title> & more"
        assert browser.run("return document.scripts.length") == 1
        assert browser.run("return document.images.length") == 0
        # A run is hidden by its box, also in the charts.
        shown = "return getComputedStyle(document.querySelector('svg .r1')).display"
        assert browser.run(shown) != "none"
        browser.run("document.getElementById('run1').click()")
        assert browser.run(shown) == "none"
        # Pointing at a text lights its segment up in every lane.
        lit = browser.run(
            "const e = document.querySelector('.lane.r0 text[data-s]');"
            "e.dispatchEvent(new PointerEvent('pointerover', {bubbles: true}));"
            "return [document.querySelectorAll('.hl').length, tip.textContent]"
        )
        assert lit[0] > 3
        assert re.fullmatch(r"\d+:\d\d\.\d, segment 1", lit[1])
        # Another order of the segments.
        cards = "return [...document.querySelectorAll('#cards h4')].map((e) => e.textContent)"
        before = browser.run(cards)
        browser.run("order.selectedIndex = 1; order.dispatchEvent(new Event('change'))")
        assert browser.run(cards) != before
        assert sorted(browser.run(cards)) == sorted(before)
        # The policy holds: what is put into the page by hand is refused, and said to be.
        assert [entry["message"] for entry in browser.log("browser")] == []
        events = [json.loads(entry["message"])["message"] for entry in browser.log("performance")]
        asked = [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
            and event["params"]["documentURL"] == path.as_uri()  # not the browser's first page
        ]
        assert asked == [path.as_uri()]
        browser.run(
            "const i = new Image(); i.src = 'https://evil.example/x'; document.body.append(i)"
        )
        time.sleep(0.5)
        refused = " ".join(entry["message"] for entry in browser.log("browser"))
        assert "Content Security Policy" in refused
    finally:
        browser.quit()
