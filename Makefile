# Needs Python 3.11 or newer and make, nothing else; a C++ compiler, if there is one, is used for
# the native engine. All that is installed goes into .venv.

PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,\
    $(shell command -v $(name) >/dev/null 2>&1 && \
            $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && \
            echo $(name))))

# A virtual environment holds absolute paths: in a checkout that was moved it is made anew.
PLACE := $(shell pwd -P | cksum | cut -d ' ' -f 1)
ENVIRONMENT := .venv/made-$(PLACE)
INSTALLED := .venv/installed-$(PLACE)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

# What a caller's shell may hold and would send packages elsewhere.
unexport PYTHONPATH PYTHONHOME PIP_USER PIP_TARGET PIP_PREFIX PIP_REQUIRE_HASHES
# Nor has pytest to rewrite every assertion at every run, in every process.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo test sanitize package docs faults soak mutants lint format lock clean

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' Makefile

install: $(INSTALLED) ## Make .venv with everything in the pinned versions

demo: $(INSTALLED) ## Run one evaluation job from INSERT to model, on an embedded Postgres
	@$(BIN)/acoustic demo --keep var/demo $(ARGS)

test: lint ## Run all checks and tests, on an embedded Postgres
	$(BIN)/pytest -n 2 --dist worksteal $(ARGS)

sanitize: $(INSTALLED) ## Test the native engine on builds that look for memory errors and races
	.ci/sanitize address,undefined
	.ci/sanitize thread

package: $(INSTALLED) ## Build sdist and wheel, install the wheel elsewhere, and use it there
	.ci/package "$(PYTHON)"

docs: $(INSTALLED) ## Build the documentation into build/docs; warnings are errors
	$(BIN)/python -m sphinx --quiet --fresh-env --fail-on-warning --keep-going \
	    --doctree-dir build/doctrees docs build/docs

faults: $(INSTALLED) ## Make faults happen, and write their table into docs/reliability.md
	$(BIN)/python -m pytest -n 2 -m fault -p tests.faults.table $(ARGS)

soak: $(INSTALLED) ## Kill workers for ten minutes (ARGS="--minutes 2")
	$(BIN)/python -m tests.faults.soak $(ARGS)

mutants: $(INSTALLED) ## Take guards of the queue away one by one: which test notices?
	$(BIN)/python -m tests.faults.mutants $(ARGS)

lint: $(INSTALLED) ## Check style and types only
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(INSTALLED) ## Format the code, mend what can be mended by machine
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

lock: ## Write the locks anew from pyproject.toml (ARGS=--upgrade: newest versions; ARGS=--check)
	.ci/lock "$(PYTHON)" $(ARGS)

clean: ## Remove .venv and all caches (models and data in var/ stay)
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Without a C++ compiler all is installed but the native engine.
$(INSTALLED): $(ENVIRONMENT) requirements.txt pyproject.toml $(wildcard trainer/grid/native/*.?pp) \
    trainer/grid/native/CMakeLists.txt
	@echo "Installing into .venv; the first time this takes a minute or two."
	@$(PIP) --require-hashes --requirement requirements.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m pip --disable-pip-version-check check
	@touch $@

$(ENVIRONMENT):
	@test -n "$(PYTHON)" || { \
	    echo "No Python 3.11 or newer found: install one, or name it: make PYTHON=/path/to/python3" >&2; \
	    exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "$(PYTHON) is not Python 3.11 or newer: name another, make PYTHON=/path/to/python3" >&2; \
	    exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "$(PYTHON) cannot make virtual environments; on Debian: apt install python3-venv" >&2; \
	    exit 1; }
	@$(PYTHON) -m venv --clear .venv
	@touch $@
