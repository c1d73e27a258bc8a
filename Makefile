# The two commands of a fresh machine are `make run` and `make test`; each does its own set-up.
PYTHON ?= python3.11
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
MINUTES ?= 10
NODES   ?= 3
REDIS   ?= single

.PHONY: setup run cluster test chaos check bench docs clean
.DEFAULT_GOAL := setup

$(STAMP): pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Interlock needs Python 3.11 or later; set PYTHON=/path/to/python."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[server,dev]'
	@touch $(STAMP)

setup: $(STAMP)  ## create .venv and install everything

run: setup  ## serve the examples on http://127.0.0.1:7777 with the embedded default
	@$(BIN)/interlock serve examples:workflows

cluster: setup  ## three nodes, Redis and PostgreSQL behind a balancer, until Ctrl-C (PORT=: of the balancer)
	@$(BIN)/python -m tests.faults.showcase

test: setup  ## the whole suite, on a real SQLite, PostgreSQL and Redis; chaos apart, as it wants the machine for itself
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile -m "not chaos"
	@$(BIN)/python -m pytest -m chaos

chaos: setup  ## runs and clients while nodes, connections and servers die (MINUTES=10 SEED= NODES=3 REDIS=single)
	@$(BIN)/python -m tests.faults.chaos --minutes $(MINUTES) --nodes $(NODES) --redis $(REDIS) $(if $(SEED),--seed $(SEED))

check: setup  ## style, types, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy protocol server clients/python tests examples
	@$(BIN)/lint-imports --no-cache

bench: setup  ## measure against the peer and the floor; writes docs/benchmarks.md
	@$(BIN)/python -m tests.bench

docs: setup  ## regenerate the generated documents
	@$(BIN)/python -m interlock_protocol.schema
	@$(BIN)/python -m interlock.docs
	@$(BIN)/python -m interlock.http.openapi

clean:
	rm -rf $(VENV) .venv-peer .mypy_cache .ruff_cache .pytest_cache
