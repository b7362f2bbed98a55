# `make run` and `make test` set everything up by themselves. `make help` lists what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help run test test-slow test-long test-all check format lock bench clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

run: $(READY) ## run the loop: data, training, evaluation, explanation, gate, report
	@lightloop run

test: $(READY) data/fashion ## the fast tests
	@pytest

test-slow: $(READY) data/fashion ## the other tests: whole loops, killed processes, a browser
	@pytest -m "slow or browser"

test-long: $(READY) data/fashion ## what takes longest: every name of every kind trained, simulations
	@pytest -m long

test-all: test test-slow test-long ## every test

check: $(READY) ## format, lint, types, import rules, workflows
	@ruff format --check --quiet . || (echo "not formatted: run make format"; exit 1)
	@ruff check --quiet .
	@mypy
	@lint-imports --verbose >/dev/null || lint-imports
	@zizmor --offline --quiet --persona=auditor .github

format: $(READY) ## format the code and mend what the linter can
	@ruff format --quiet . && ruff check --fix --quiet .

lock: $(READY) ## pin the newest versions that fit pyproject.toml
	@uv pip compile pyproject.toml --universal --all-extras --upgrade --quiet -o requirements.lock
	@sh scripts/lock_serving.sh

bench: $(READY) data/fashion ## measure speed and accuracy (docs/benchmarks.md)
	@python benchmarks/run_all.py

clean: ## remove the environment and scratch files; data, results and releases stay
	rm -rf $(VENV) .lightloop .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

data/fashion: data.dvc | $(READY)
	@dvc pull --quiet data.dvc

$(READY): requirements.lock pyproject.toml scripts/setup.sh
	@sh scripts/setup.sh "$(PYTHON)" "$(VENV)"
	@touch $(READY)
