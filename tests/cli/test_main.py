import os
import subprocess
import sys
import time

import pytest

from earvoice import __version__
from earvoice.cli import COMMANDS, main
from earvoice.errors import AudioError, CheckpointError, ConfigError, UsageError


def earvoice(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "earvoice.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def test_help_teaches_and_is_quick():
    start_s = time.monotonic()
    done = earvoice("--help")
    assert time.monotonic() - start_s < 2
    assert done.returncode == 0
    for word in [*COMMANDS, "earvoice translate talk.wav", "exit codes"]:
        assert word in done.stdout
    code = "import sys, earvoice.cli as c\ntry: c.main(['--help'])\nexcept SystemExit: pass\n"
    code += "print([m for m in ('torch', 'numpy', 'pydantic', 'rich') if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert loaded.stdout.strip().endswith("[]")


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"earvoice {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["sing"], ["translate"], ["translate", "a", "--k", "x"]])
def test_wrong_usage_is_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: earvoice" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("no such\nmodel"), 2),
        (AudioError("x"), 3),
        (CheckpointError("x"), 4),
        (ConfigError("x"), 5),
        (PermissionError(13, "denied", "out.txt"), 1),
    ],
)
def test_errors_are_one_line_and_a_code(monkeypatch, capsys, error, code):
    import earvoice.cli.models as command

    def fail(args):
        raise error

    monkeypatch.setattr(command, "run", fail)
    assert main(["models"]) == code
    captured = capsys.readouterr()
    assert captured.err.startswith("earvoice: error: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    for arguments in (["--debug", "models"], ["models", "--debug"]):
        with pytest.raises(type(error)):
            main(arguments)


def test_interruption_is_130(monkeypatch, capsys):
    import earvoice.cli.models as command

    def interrupt(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "run", interrupt)
    assert main(["models"]) == 130
    assert capsys.readouterr().err == "earvoice: interrupted\n"


def test_a_closed_pipe_is_quiet():
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "earvoice.cli", "models", "--json"],
        stdout=write_end,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write_end)
    assert (done.returncode, done.stderr) == (141, b"")
