# Everything a person does with a checkout of planviz. `make` alone lists it.
# Set-up steps leave stamp files in .venv, and run again only when pyproject.toml or constraints.txt change.

VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip --disable-pip-version-check install --constraint constraints.txt
PYTHONS := $(or $(PYTHON),python3 python3.13 python3.12 python3.11)

.DEFAULT_GOAL := help
.PHONY: help app test check audit format bench demo trajectories screenshots claims clean chromium

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

app: $(VENV)/.app ## Install planviz and open it on localhost
	$(BIN)/planviz app

test: $(VENV)/.dev chromium ## Run all tests, those in a real browser included
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

check: $(VENV)/.dev ## Check style, types and known vulnerabilities
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	@$(MAKE) --no-print-directory audit

format: $(VENV)/.dev ## Format the code, and fix what can be fixed by itself
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.app ## Measure the engine on this machine: the table that benchmarks/README.md keeps
	$(BIN)/planviz bench --out benchmarks

demo: $(VENV)/.app ## Train again the comparison that ships with planviz
	rm -rf assets/demo
	PLANVIZ_HOME=$(VENV)/demo $(BIN)/planviz run --preset quick --out assets/demo --compact

claims: $(VENV)/.dev chromium ## Test the eight claims on paper and blocksworld with 5 seeds, and write docs/CLAIMS.md
	PLANVIZ_HOME=$(CURDIR)/$(VENV)/claims $(BIN)/python -m docs.claims

trajectories: $(VENV)/.dev ## Write the reference numbers of the methods anew, after a change that was meant
	$(BIN)/python -m tests.trajectories

screenshots: $(VENV)/.dev chromium ## Take the pictures of the documentation anew
	$(BIN)/python -m docs.screenshots

clean: ## Remove caches and build products (neither .venv nor your runs)
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# A known vulnerability is an error; advisories that cannot be reached are not.
audit: $(VENV)/.dev
	@if report=$$($(BIN)/pip-audit --requirement constraints.txt --no-deps --disable-pip \
	        --vulnerability-service osv --progress-spinner off 2>&1); then \
	    echo "$$report"; \
	elif echo "$$report" | grep -q -e 'Could not connect' -e 'ServiceError' -e 'requests.exceptions'; then \
	    echo "pip-audit: skipped, because the vulnerability data cannot be reached from here."; \
	else \
	    echo "$$report" >&2; exit 1; \
	fi

$(VENV)/.made:
	@for python in $(PYTHONS) none; do \
	    $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
	done; \
	if [ $$python = none ]; then \
	    echo "planviz needs Python 3.11 or newer, and found none as: $(PYTHONS)." >&2; \
	    echo "Name one with: make PYTHON=/path/to/python3" >&2; \
	    exit 1; \
	fi; \
	if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then \
	    echo "$$python cannot create virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; \
	    exit 1; \
	fi; \
	echo "Creating $(VENV) with $$($$python --version)."; \
	$$python -m venv $(VENV) && touch $@

$(VENV)/.app: pyproject.toml constraints.txt | $(VENV)/.made
	@echo "Installing planviz and what it needs. The first time, this takes some minutes."
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/.made
	@echo "Installing planviz and what its development needs. The first time, this takes some minutes."
	$(INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/.app

chromium:
	@found() { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null; \
	if ! found && command -v apt-get >/dev/null; then \
	    echo "Installing Chromium for the browser tests."; \
	    [ "$$(id -u)" = 0 ] && sudo= || sudo='sudo -n'; \
	    $$sudo apt-get -qq update; \
	    $$sudo apt-get -qq --yes install chromium >/dev/null; \
	fi; \
	if ! found; then \
	    echo "No Chromium: install it as chromium or google-chrome to run the browser tests." >&2; \
	    [ "$$CI" != true ]; \
	fi
