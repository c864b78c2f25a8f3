"""The page in a real browser with a fake microphone; skipped where there is no Chromium."""

import json
import shutil

import numpy as np
import pytest

import earvoice
from earvoice.audio import Audio, read, write_wav
from earvoice.cli.serve import engine_command
from earvoice.serve.settings import ServeSettings
from earvoice.session import Request
from earvoice.units import SAMPLE_RATE
from tests.serve.running import running, sound, text_of

CHROMIUM = shutil.which("chromium")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
FLAGS = [
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def visit(server, flags, act):
    """What `act(page)` gives, the console's errors, and requests to other places."""
    errors, foreign = [], []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        page = browser.new_page(accept_downloads=True)
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "request",
            lambda r: (
                foreign.append(r.url)
                if not r.url.startswith((server.url, "data:", "blob:"))
                else None
            ),
        )
        page.goto(server.url)
        page.wait_for_selector("body[data-state=ready]")
        result = act(page)
        browser.close()
    return result, errors, foreign


def test_the_microphone_is_translated_and_saved(tmp_path):
    wav = tmp_path / "talk.wav"
    write_wav(wav, Audio.of(sound(6.0)))
    flags = [f"--use-file-for-fake-audio-capture={wav}%noloop"]
    with running() as server:

        def act(page):
            page.keyboard.press("s")
            # By hand: the page's policy allows no script from text, not even a test's.
            while len(page.inner_text("#translation")) < 60:
                page.wait_for_timeout(100)
            page.keyboard.press("p")
            paused = page.inner_text("#pause")
            page.keyboard.press("p")
            page.keyboard.press("c")
            page.keyboard.press("e")
            page.wait_for_selector("body[data-state=over]")
            saved = {}
            for kind in ("srt", "vtt", "txt", "jsonl"):
                with page.expect_download() as download:
                    page.click(f"[data-save={kind}]")
                saved[kind] = download.value.path().read_text("utf-8")
            contrast = page.evaluate("document.documentElement.className")
            return page.inner_text("#translation"), saved, paused, contrast

        (text, saved, paused, contrast), errors, foreign = visit(server, flags, act)
    assert errors == []
    assert foreign == []
    assert (paused, contrast) == ("Resume", "contrast")
    assert saved["txt"].strip() == text.strip()
    assert saved["srt"].startswith("1\n00:00:00,")
    assert saved["vtt"].startswith("WEBVTT\n\n00:00:00.")
    events = [json.loads(line) for line in saved["jsonl"].splitlines()]
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert events[-1]["event"] == {"type": "finished"}


def test_what_a_model_says_is_shown_and_never_run(tmp_path):
    with running() as server:

        def act(page):
            return page.evaluate(
                """async () => {
                  const { formats } = await import('./captions.js');
                  const text = '<img src=x onerror=alert(1)> --> </script>';
                  return formats.vtt({ commits: [{ text, span: [0, 1], heard_s: 1 }] });
                }"""
            )

        shown, errors, _ = visit(server, [], act)
    assert errors == []
    assert "<" not in shown


def test_a_file_is_translated_as_the_command_does(tmp_path):
    talk = read(earvoice.__path__[0] + "/assets/talk-en.wav")
    audio = Audio.of(np.ascontiguousarray(talk.samples[0, : 15 * SAMPLE_RATE]), SAMPLE_RATE)
    recording = tmp_path / "talk.wav"
    write_wav(recording, audio)
    command = engine_command(["fasst-mini-en-de"], ServeSettings())
    with running(engines=command) as server:

        def act(page):
            page.select_option("#source", "file")
            page.set_input_files("#file", recording)
            page.click("#start")
            page.wait_for_selector("body[data-state=over]", timeout=100_000)
            page.screenshot(path=str(tmp_path / "page.png"))
            return page.inner_text("#translation")

        text, errors, foreign = visit(server, [], act)
    session = earvoice.load("fasst-mini-en-de").open(Request("en", "de"))
    want = text_of([*session.push(read(recording)), *session.finish()])
    assert errors == foreign == []
    assert text.split() == want.split()
