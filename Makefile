# The two commands of a fresh machine are `make run` and `make test`; each does its own set-up.
PYTHON ?= python3.11
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
MINUTES ?= 10
NODES   ?= 3
REDIS   ?= single

# Node builds the web app and tests the TypeScript client. Where it isn't, `make test` takes it from a wheel.
NPM    := $(or $(shell command -v npm 2>/dev/null),$(abspath $(BIN))/npm)
CLIENT := clients/typescript
WEB    := clients/web
REACT  := examples/react
PAGE   := $(REACT)/dist/index.html
APP    := server/interlock/web/index.html

# What `make test` runs, one after the other. Each runs, whatever became of those before it.
TEST_PARTS = test-node test-suite test-chaos test-alone

# Parts that don't wait for each other are made side by side.
SIDE_BY_SIDE = $(MAKE) --no-print-directory --jobs 3

# The suite starts hundreds of processes, and each would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE
SOURCES = protocol server clients/python tests examples

# The files that have tests of a marker: to ask all others for them takes half a minute.
marked = $(shell grep -rl --include='test_*.py' 'mark\.$(1)' tests)

.PHONY: setup lock run web node chromium compiled cluster test test-tools $(TEST_PARTS) browser chaos check check-python check-node bench docs clean
.DEFAULT_GOAL := setup

$(STAMP): pyproject.toml $(wildcard requirements/*.txt)
	@command -v $(PYTHON) >/dev/null || { echo "Interlock needs Python 3.11 or later; set PYTHON=/path/to/python."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

setup: $(STAMP)  ## create .venv and install everything, as it is locked

# What is locked stays as it is where it still fits; UPGRADE=--upgrade takes the newest of everything.
LOCK = $(VENV)-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-annotate --custom-compile-command "make lock" $(UPGRADE)

lock:  ## write requirements/ anew, from pyproject.toml; `make setup` then installs that
	@$(PYTHON) -m venv $(VENV)-lock
	@$(VENV)-lock/bin/python -m pip install --quiet uv
	@$(LOCK) pyproject.toml --extra server --extra dev --group build --output-file requirements/dev.txt
	@$(LOCK) pyproject.toml --extra server --constraint requirements/dev.txt --output-file requirements/server.txt
	@$(LOCK) --group pyproject.toml:build --constraint requirements/dev.txt --output-file requirements/build.txt
	@$(LOCK) --group pyproject.toml:node --output-file requirements/node.txt

run: setup $(if $(shell command -v npm 2>/dev/null),web $(PAGE))  ## serve the examples on http://127.0.0.1:7777 with the embedded default
	@command -v npm >/dev/null || echo "There is no npm here, so the web app isn't built: install Node 20 or later for it."
	@INTERLOCK_DEFINITIONS=$${INTERLOCK_DEFINITIONS:-examples/machines} INTERLOCK_WIDGETS=$${INTERLOCK_WIDGETS:-examples/widgets/bundles} \
	  INTERLOCK_HTTP_ALLOW=$${INTERLOCK_HTTP_ALLOW:-127.0.0.1:7790} \
	  INTERLOCK_WEBHOOK_ALLOW=$${INTERLOCK_WEBHOOK_ALLOW:-127.0.0.1} $(BIN)/python -m examples.receiver $(BIN)/interlock serve examples:workflows

node: $(if $(shell command -v npm 2>/dev/null),,setup)
	@command -v "$(NPM)" >/dev/null || $(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/node.txt

$(CLIENT)/node_modules/.package-lock.json: $(CLIENT)/package-lock.json | node
	@cd $(CLIENT) && "$(NPM)" ci --silent --no-fund --no-audit
	@touch $@

$(CLIENT)/dist/interlock.js: $(CLIENT)/node_modules/.package-lock.json $(shell find $(CLIENT)/src -type f)
	@cd $(CLIENT) && "$(NPM)" run --silent build

$(WEB)/node_modules/.package-lock.json: $(WEB)/package-lock.json $(CLIENT)/dist/interlock.js | node
	@cd $(WEB) && "$(NPM)" ci --silent --no-fund --no-audit
	@touch $@

$(APP): $(WEB)/node_modules/.package-lock.json $(WEB)/index.html $(WEB)/vite.config.ts $(wildcard examples/machines/*.json) $(shell find $(WEB)/src -type f)
	@cd $(WEB) && "$(NPM)" run --silent build

$(REACT)/node_modules/.package-lock.json: $(REACT)/package-lock.json $(CLIENT)/dist/interlock.js | node
	@cd $(REACT) && "$(NPM)" ci --silent --no-fund --no-audit
	@touch $@

$(PAGE): $(REACT)/node_modules/.package-lock.json $(REACT)/index.html $(wildcard $(REACT)/*.ts*) $(shell find $(REACT)/src $(REACT)/widget -type f)
	@cd $(REACT) && "$(NPM)" run --silent build

web: $(APP)  ## build the web app into the server's package

chromium:  ## see to it that there is a browser for the tests in one, which are skipped without
	@tests/browser/find_chromium.sh

browser: setup web $(PAGE) chromium  ## only the tests in a real browser, of the web app and of pages that embed runs
	@$(BIN)/python -m pytest tests/browser

cluster: setup  ## three nodes, Redis and PostgreSQL behind a balancer, until Ctrl-C (PORT=: of the balancer)
	@$(BIN)/python -m tests.faults.showcase

test: test-tools  ## the whole suite, on a real SQLite, PostgreSQL, Redis and Chromium; what wants the machine for itself at the end
	@said=; status=0; for part in $(TEST_PARTS); do \
	  if $(MAKE) --no-print-directory $$part; then how=passed; else how=FAILED; status=1; fi; \
	  said="$$said$$part: $$how\n"; \
	done; printf "\n$$said"; exit $$status

test-tools:
	@$(SIDE_BY_SIDE) compiled web $(PAGE)
	@$(MAKE) --no-print-directory chromium || true

# What is compiled already stays as it is.
compiled: setup
	@$(BIN)/python -m compileall -q $(SOURCES) "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" >/dev/null || true

test-suite:
	@$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder -m "not alone and not chaos"

test-chaos:
	@$(BIN)/python -m pytest -n 2 -m chaos $(call marked,chaos)

test-alone:
	@$(BIN)/python -m pytest -m alone $(call marked,alone)

test-node: $(WEB)/node_modules/.package-lock.json
	@cd $(CLIENT) && "$(NPM)" test --silent
	@cd $(WEB) && "$(NPM)" test --silent

chaos: setup  ## runs and clients while nodes, connections and servers die (MINUTES=10 SEED= NODES=3 REDIS=single)
	@$(BIN)/python -m tests.faults.chaos --minutes $(MINUTES) --nodes $(NODES) --redis $(REDIS) $(if $(SEED),--seed $(SEED))

check:  ## style, types, import contracts
	@$(SIDE_BY_SIDE) check-python check-node

check-python: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy protocol server clients/python tests examples
	@$(BIN)/lint-imports --no-cache

check-node: $(WEB)/node_modules/.package-lock.json $(REACT)/node_modules/.package-lock.json
	@cd $(CLIENT) && "$(NPM)" run --silent check
	@cd $(WEB) && "$(NPM)" run --silent check
	@cd $(REACT) && "$(NPM)" run --silent check

bench: setup  ## measure against the peer and the floor; writes docs/benchmarks.md
	@$(BIN)/python -m tests.bench

docs: setup  ## regenerate the generated documents
	@$(BIN)/python -m interlock_protocol.schema
	@$(BIN)/python -m interlock.docs
	@$(BIN)/python -m interlock.http.openapi

clean:
	rm -rf $(CLIENT)/node_modules $(CLIENT)/dist $(WEB)/node_modules server/interlock/web $(REACT)/node_modules $(REACT)/dist examples/widgets/bundles/image-annotator.js
	rm -rf $(VENV) $(VENV)-lock .venv-peer* .mypy_cache .ruff_cache .pytest_cache
