# One word each: run, dev, test, check, bench. `make help` lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The first Python that is new enough; `make run PYTHON=/path/to/python` overrides.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$python; break; }; done)

VENV := .venv
BIN := $(VENV)/bin
export PORT ?= 8000
export DEMO ?= 1

.PHONY: help
help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: restaurant ## Run the service on 127.0.0.1:$PORT (8000), with demo data unless DEMO=0
	@exec $(BIN)/gunicorn --config gunicorn.conf.py

.PHONY: dev
dev: restaurant $(VENV)/.dev ## Do as run does, and restart when a source file changes
	@SSE_DRAIN_SECONDS=0 exec $(BIN)/python -m scripts.serve_and_restart

.PHONY: restaurant
restaurant: $(VENV)/.runtime
	@$(BIN)/python -m runtime.http.port
	@$(BIN)/flask --app app db upgrade
	@[ "$(DEMO)" = 0 ] || $(BIN)/flask --app app demo seed
	@[ "$(DEMO)" = 0 ] || echo "Demo page: http://127.0.0.1:$(PORT)/demo   (Ctrl-C stops the service)"

.PHONY: migration
migration: $(VENV)/.dev ## Write the next migration from the models: make migration NAME="Notes of waiters"
	@$(BIN)/python -m scripts.make_migration "$(NAME)"

# Most tests wait, so three processes keep two cores busy. Each process takes a whole file
# at a time, because the tests of a file may share a server; files start in their usual
# order, the slow browser tests first. `make test PROCESSES=0` uses one process, as does
# test-long, whose tests must meet their bounds with nothing beside them.
PROCESSES ?= 3
SPREAD := -n $(PROCESSES) --dist loadfile --no-loadscope-reorder

.PHONY: test
test: $(VENV)/.dev test-servers test-npm ## Install what the tests need, then run those that fit in 15 minutes
	@env -u PORT -u DEMO $(BIN)/python -m pytest -m "not long" $(SPREAD) $(ARGS)

.PHONY: test-long
test-long: $(VENV)/.dev test-servers test-npm ## Run the tests that take longer: outages, failovers, other Pythons
	@env -u PORT -u DEMO $(BIN)/python -m pytest -m long $(ARGS)

.PHONY: check
check: $(VENV)/.dev ## Lint, format and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

.PHONY: format
format: $(VENV)/.dev ## Format the code
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

.PHONY: bench
bench: $(VENV)/.dev ## Compare the service with its peers: memory per stream, CPU per connect and delivery
	@if [ -f benchmarks/__main__.py ]; then $(BIN)/python -m benchmarks $(ARGS); \
	else echo "No benchmarks here yet (benchmarks/__main__.py)."; fi

.PHONY: clean
clean: ## Remove what was installed and cached; keeps instance/, where the data is
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis tests/browser/node_modules

# Servers that the tests start by themselves. A test whose server is missing says so.
.PHONY: test-servers
test-servers:
	@scripts/install-test-servers

.PHONY: test-npm
test-npm: $(if $(wildcard tests/browser/package.json),tests/browser/node_modules/.stamp)

tests/browser/node_modules/.stamp: tests/browser/package-lock.json
	@if command -v npm >/dev/null; then \
		npm ci --prefix tests/browser --no-audit --no-fund --loglevel=error && touch $@; \
	else echo "npm is missing: tests that need its packages are skipped."; fi

# Installed again only when the requirements change.
$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	@echo "Installing what checks and tests need (requirements-dev.txt) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

$(VENV)/.runtime: requirements.txt | $(BIN)/python
	@echo "Installing the service's packages (requirements.txt); this takes about a minute ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(BIN)/python:
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or newer is needed and was not found;" \
		"install it, or say where it is: make run PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "$(PYTHON) cannot make a virtual" \
		"environment; install its venv module (on Debian: apt-get install python3-venv)" >&2; exit 1; }
	@echo "Making a virtual environment in $(VENV) with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv $(VENV)
