# Phoenix: all developer commands. Needs only python3 >= 3.11, pip and make.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
BENCH_READY := .cache/bench-venv/.ready
SCRIPTS = $(shell find . -name '*.sh' -not -path './.venv/*' -not -path './.cache/*')
PIP := $(PYTHON) -m pip --python $(BIN)/python

# Debian's faketime shifts only the wall clock; tests/future makes Python's sleep work with it. Its
# workaround for an old glibc makes threads spin. It also shifts file times, so bytecode is separate.
FUTURE := DONT_FAKE_MONOTONIC=1 FAKETIME_FORCE_MONOTONIC_FIX=0 PYTHONPATH='$(CURDIR)/tests/future' \
  PYTHONPYCACHEPREFIX='$(CURDIR)/.cache/future' PYTHONDONTWRITEBYTECODE= PHOENIX_REQUIRE= faketime -f +400d

.PHONY: help setup demo run lint check check-future test test-drain simulate bench container-test pins upgrade

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Phoenix needs Python 3.11 or newer")'
	$(PYTHON) -m venv --without-pip .venv
	$(PIP) install --quiet --no-deps --only-binary=:all: --require-hashes -r requirements/dev.txt
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(BENCH_READY): requirements/bench.txt
	$(PYTHON) -m venv --without-pip .cache/bench-venv
	$(PYTHON) -m pip --python .cache/bench-venv/bin/python install --quiet --no-deps --only-binary=:all: --require-hashes -r requirements/bench.txt
	@touch $@

setup: $(READY) ## Make .venv from the hashed pins

demo: $(READY) ## Create an image and a video on this machine and audit every token
	$(BIN)/phoenix demo

run: $(READY) ## Run the one-machine stack (PORT=8080)
	$(BIN)/phoenix up --port $(or $(PORT),8080)

lint: $(READY) ## Check format, lint, types and imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PIP) check
	$(BIN)/hadolint api_service/Dockerfile jobs/*/Dockerfile
	$(BIN)/shellcheck -x .ci/run $(SCRIPTS)
	$(BIN)/yamllint --strict cloudbuild.yaml cloudbuild.test.yaml
	$(BIN)/check-jsonschema --builtin-schema vendor.cloudbuild cloudbuild.yaml cloudbuild.test.yaml
	api_service/web/lint/run.sh

check: lint ## Lint and the fast tests, before every commit
	$(BIN)/pytest -q -n auto -m "not slow"

check-future: $(READY) ## Fast tests with the clock 400 days ahead (Debian's faketime)
	$(FUTURE) $(BIN)/pytest -q -n auto -m "not slow"

simulate: $(READY) ## Run the real lifecycle under fault injection (SEEDS=10000, PAIRS=1)
	$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),10000) $(if $(PAIRS),--pairs)

test-drain: $(READY) ## Ten thousand images through draining executions, and one that crashes them
	$(BIN)/pytest -q -n auto tests/simulation/test_crowds.py

bench: $(READY) $(BENCH_READY) ## Compare with an older commit and the old design (QUICK=1, BEFORE=ref, ONLY='posts reads')
	$(BIN)/python -m benchmarks $(if $(QUICK),--quick) $(if $(BEFORE),--before $(BEFORE)) $(if $(ONLY),--only $(ONLY))

test: $(READY) ## All tests that this machine can run
	$(BIN)/pytest -n auto

container-test: $(READY) ## Build the three images and run them in their memory (root; buildah, podman, runc, Firestore emulator)
	$(BIN)/python -m tests.containers

pins: $(READY) ## Compile requirements/*.txt after a change of pyproject.toml
	requirements/compile.sh

upgrade: $(READY) ## Update requirements/*.txt to the newest releases and print the changes
	requirements/compile.sh --upgrade
