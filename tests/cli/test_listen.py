"""`listen -`: what is piped in is translated on a server; Ctrl-C ends the stream, not the words."""

import contextlib
import signal
import subprocess
import sys
import time

import pytest

from tests.serve.running import expected, running, sound, text_of

COMMAND = [sys.executable, "-m", "earvoice.cli", "listen", "-"]


@pytest.fixture(scope="module")
def server():
    with running() as up:
        yield up


def pcm(samples):
    return (samples * 32768).astype("<i2").tobytes()


def listen(server, *options, data):
    command = [*COMMAND, "--server", server.url, *options]
    return subprocess.run(command, input=data, capture_output=True, timeout=60)


def test_standard_input(server):
    samples = sound(1.3)
    done = listen(server, "--model", "plain", data=pcm(samples))
    assert (done.returncode, done.stdout.decode()) == (0, text_of(expected(samples)) + "\n")


def test_a_glossary_is_sent(server, tmp_path):
    samples = sound(0.5)
    words = text_of(expected(samples)).split()
    file = tmp_path / "terms.csv"
    file.write_text(f"en,de\n{words[1]},Kunstwort\n", encoding="utf-8")
    options = ("--model", "terms", "--src-lang", "en", "--tgt-lang", "de", "--glossary", file)
    done = listen(server, *map(str, options), data=pcm(samples))
    assert done.stdout.decode().split() == [words[0], "Kunstwort", *words[2:]]
    done = listen(server, "--glossary", str(file), data=pcm(samples))
    assert done.returncode == 2
    assert b"--src-lang" in done.stderr


def test_a_file_is_not_emptied_for_a_server_that_refuses(server, tmp_path):
    file, samples = tmp_path / "old.txt", sound(0.5)
    file.write_text("of before", encoding="utf-8")
    done = listen(server, "--model", "none", "--output", str(file), data=pcm(samples))
    assert done.returncode == 1
    assert file.read_text(encoding="utf-8") == "of before"
    done = listen(server, "--model", "plain", "--output", str(file), data=pcm(samples))
    assert done.returncode == 0
    assert file.read_text(encoding="utf-8").split() == text_of(expected(samples)).split()


def test_an_interrupt_finishes_the_stream(server):
    samples = sound(30.0)
    data = pcm(samples)
    command = [*COMMAND, "--server", server.url, "--model", "plain"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        at = 0
        while not server.sessions.live:  # it has begun to send
            child.stdin.write(data[at : at + 3200])
            child.stdin.flush()
            at += 3200
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        for _ in range(20):
            if child.poll() is not None:
                break
            child.stdin.write(data[at : at + 3200])
            child.stdin.flush()
            at += 3200
            time.sleep(0.05)
        child.stdin.close()
        said = child.stdout.read().decode().split()
        assert child.wait(timeout=20) == 0
    except BrokenPipeError:
        said = child.stdout.read().decode().split()
        assert child.wait(timeout=20) == 0
    finally:
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()
        child.kill()
        child.wait()
        child.stdout.close()
    whole = text_of(expected(samples)).split()
    assert said
    assert said == whole[: len(said)]
    assert len(said) < len(whole)
