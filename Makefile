# `make run` and `make test` set everything up by themselves. `make help` lists what there is.
PYTHON ?= python3
# An environment that somebody keeps elsewhere, such as that of a runner of one's own, is used as it is.
VENV := $(or $(LIGHTLOOP_ENVIRONMENT),$(CURDIR)/.venv)
READY := $(if $(LIGHTLOOP_ENVIRONMENT),,.venv/.ready)
export PATH := $(VENV)/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help docs environment run test test-slow test-long test-all rehearse rehearse-long check secrets audit format lock bench clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

environment: $(READY) ## what the other commands need, and nothing else

# of the template alone
init: $(READY) ## make this clone a project of your own: name, author, features
	@if [ -e .template-init/ready ]; then python -I .template-init/swap.py .template-init; else lightloop init; fi
.PHONY: init

# end of the template's own
run: $(READY) ## run the loop: data, training, evaluation, explanation, gate, report
	@lightloop run

test: $(READY) data/fashion ## the fast tests
	@pytest

test-slow: $(READY) data/fashion ## the other tests: whole loops, killed processes, a browser
	@pytest -m "slow or browser"

test-long: $(READY) data/fashion ## what takes longest: every name of every kind trained, simulations
	@pytest -m long

test-all: test test-slow test-long ## every test

# feature: github, serving
rehearse: $(READY) data/fashion ## the loop on GitHub, here: the workflow files run against a forge on this machine
	@PYTHONPATH=tests python -m rehearsal short

rehearse-long: $(READY) data/fashion ## what may go wrong, and beside it a project in S3 that drifts and recovers
	@PYTHONPATH=tests python -m rehearsal long

# end
check: $(READY) ## format, lint, types, import rules, workflows
	@ruff format --check --quiet . || (echo "not formatted: run make format"; exit 1)
	@ruff check --quiet .
	@mypy
	@lint-imports --verbose >/dev/null || lint-imports
	@zizmor --offline --quiet --persona=auditor .github
	@actionlint
	@check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml

docs: $(READY) ## the documentation as a site, into build/site; a link that leads nowhere is an error
	@sphinx-build --quiet --fail-on-warning --keep-going --fresh-env -c docs/_site -d build/pages docs build/site
	@echo "build/site/index.html"

secrets: $(READY) ## look for secrets in what git holds
	@git ls-files -z -- ':!storage' ':!*requirements.lock' | xargs -0 detect-secrets-hook \
	    --disable-plugin HexHighEntropyString --disable-plugin Base64HighEntropyString

audit: $(READY) ## look for known vulnerabilities in the pinned packages
	@pip-audit --strict --no-deps --disable-pip --requirement requirements.lock

format: $(READY) ## format the code and mend what the linter can
	@ruff format --quiet . && ruff check --fix --quiet .

lock: $(READY) ## pin the newest versions that fit pyproject.toml
	@uv pip compile pyproject.toml --universal --all-extras --upgrade --quiet -o requirements.lock
	@sh scripts/lock_serving.sh

bench: $(READY) data/fashion ## measure speed and accuracy (docs/benchmarks.md)
	@python benchmarks/run_all.py

clean: ## remove the environment and scratch files; data, results and releases stay
	rm -rf .venv .lightloop .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

data/fashion: data.dvc | $(READY)
	@dvc pull --quiet data.dvc

.venv/.ready: requirements.lock pyproject.toml scripts/setup.sh
	@sh scripts/setup.sh "$(PYTHON)" .venv
	@touch $@
