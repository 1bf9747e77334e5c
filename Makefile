# make demo · make test · make help. Needs Python 3.11 or newer (with venv and pip), git and make; fetches the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
unexport VIRTUAL_ENV

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/demo ## The whole loop on a local forge, from nothing to the way back (about 8 minutes; KEEP=1: look at it)
	@$(BIN)/python -m tests.demo $(if $(KEEP),--keep)

test: .venv/ready ## Every promise in its smallest form (under 10 minutes on 2 cores)
	@$(BIN)/python -m tests.tiers test

test-change: .venv/ready ## What runs once per change besides (about 10 minutes)
	@$(BIN)/python -m tests.tiers change

test-all: .venv/ready ## Full matrices, mutation tests, long fuzzing (an hour or two)
	@$(BIN)/python -m tests.tiers all

lint: .venv/ready ## Linters and types, of this repository and of a generated project
	@$(BIN)/python -m tests.tiers lint

bench: .venv/ready ## Speed and memory as ratios; writes docs/benchmarks.md
	@$(BIN)/python -m tests.benchmarks $(ARGS)

format: .venv/ready ## Format this repository and the template
	@$(BIN)/ruff format --quiet .
	@$(BIN)/python tests/tools/format_template.py

docs: .venv/ready ## Write the reference pages from the code
	@$(BIN)/python -m tests.tools.reference

pins: ## Choose newer versions of everything and write them down
	@$(PYTHON) tests/tools/pins.py

version: ## Write a new version wherever it stands, and its section in the changelog (VERSION=0.2.0)
	@$(PYTHON) tests/tools/release.py version "$(VERSION)"

release: ## On main: check that every version agrees, and make the tag (VERSION=0.2.0)
	@$(PYTHON) tests/tools/release.py tag "$(VERSION)"

clean: ## Remove what the other targets made
	@rm -rf .venv .tools .cache demo .pytest_cache .mypy_cache .ruff_cache .coverage

# The environment of this repository, made again when its versions change: for the demo, for everything.
VERSIONS := tests/constraints.txt pyproject.toml actions/pyproject.toml tests/tools/setup.sh
.venv/demo: $(VERSIONS)
	@bash tests/tools/setup.sh "$(PYTHON)" demo "25 MB"
	@touch $@
.venv/ready: $(VERSIONS)
	@bash tests/tools/setup.sh "$(PYTHON)" dev "1 GB"
	@touch $@ .venv/demo

.PHONY: help demo test test-change test-all lint bench format docs pins version release clean
