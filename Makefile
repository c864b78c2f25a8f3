# make demo    translate the bundled talk, live, with the bundled model (makes .venv on first use)
# make test    the test suite without its slow tests
# make check   lint, format, types, layers
# make bench   speed and memory on this machine
# make faults  what the live server survives, in full; writes docs/reliability.md (minutes)
# make comet   an environment for the metrics comet and xcomet, without models
# make lock    write constraints.txt anew
#
# Without a GPU, let pip see a CPU build of torch first (by its environment variables for an extra
# index or a wheel folder, or `make demo TORCH=path-to-wheel`); the CUDA build is several GB.

PYTHON ?= python3
TORCH  ?= torch==2.13.0
EXTRAS ?= corpus,synth,track,hf,moses,rooms,retrieval,vad,serve,dev
MODEL  ?= fasst-mini-en-de
COMET  ?= $(HOME)/.local/share/earvoice/comet
BIN    := .venv/bin
PIP    := $(BIN)/python -m pip install -q -c constraints.txt

export OMP_NUM_THREADS ?= 1

.PHONY: demo test check bench faults comet lock clean

# torch goes in first and alone, so that a wrong build shows at once.
.venv/.core: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) "$(TORCH)"
	$(PIP) -e .
	touch $@

.venv/.ready: .venv/.core
	$(PIP) -e ".[$(EXTRAS)]"
	touch $@

demo: .venv/.core
	$(BIN)/earvoice translate earvoice/assets/talk-en.wav --model $(MODEL) --clock wall

test: .venv/.ready
	$(BIN)/python -m pytest -n 2 -m "not slow"

check: .venv/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layers.py

faults: .venv/.ready
	$(BIN)/python -m tests.faults.table

bench: .venv/.ready
	$(BIN)/earvoice bench growth
	$(BIN)/earvoice bench batch
	$(BIN)/earvoice bench startup

# Its numpy and transformers are older than ours; torch goes in first, so that a wrong build shows.
comet:
	$(PYTHON) -m venv "$(COMET)"
	"$(COMET)/bin/python" -m pip install -q "$(TORCH)" "setuptools<82"
	"$(COMET)/bin/python" -m pip install -q "unbabel-comet==2.2.7" "setuptools<82"
	"$(COMET)/bin/python" -c "import comet"

# The lock says torch==2.13.0 for every build of it, and holds no address.
lock:
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install -q "$(TORCH)"
	.venv-lock/bin/python -m pip install -q -e ".[$(EXTRAS)]"
	.venv-lock/bin/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > constraints.txt
	! grep -nE '://|@' constraints.txt
	rm -rf .venv-lock

clean:
	rm -rf .venv .venv-lock build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
