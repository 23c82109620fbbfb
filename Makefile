# Two commands matter: `make demo` and `make test`. Both prepare what they need and reuse it.
SHELL := /bin/sh
BIN := .venv/bin
.DEFAULT_GOAL := help
SHARED ?= ../shared
.PHONY: help demo test check prose containers benchmark-detection faults fuzz fuzz-api pictures lock clean audit sbom release

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-24s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/prepared: requirements.lock pyproject.toml deploy/prepare hatch_build.py gateway/api/static/package-lock.json $(wildcard */locale/*/*/*.po)
	sh deploy/prepare

demo: .venv/prepared  ## the whole of Piekwacht on this machine: map, alerts, twelve nodes (ARGS="--duration 60")
	$(BIN)/piekwacht demo $(ARGS)

test: .venv/prepared  ## every test, checks included
	sh deploy/prepare --test-programs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/pytest -m "not benchmark and not containers" -n 2 --dist loadfile $(ARGS)

check: .venv/prepared  ## format, lint, types, import contracts and the fast tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/pytest -q -m "not slow and not browser and not timescale and not benchmark and not containers"

prose: .venv/prepared  ## sentences over 30 words and banned terms in documents, docstrings and comments (ARGS="--only PATH...")
	@sh deploy/prepare --node
	@$(BIN)/python -m tests.textlint $(ARGS) || [ $$? = 3 ]

containers: .venv/prepared  ## build and start deploy/compose with Docker, send a reading through it, take it down (root)
	$(BIN)/pytest -m containers tests/containers $(ARGS)

faults: .venv/prepared  ## kills, cuts and failpoints for as long as it takes (ARGS="--kills 200 --seed 7")
	$(BIN)/pytest tests/faults -s --kills 200 $(ARGS)

fuzz: .venv/prepared  ## an hour of noise to every decoder of the agent (ARGS="--seconds 60")
	$(BIN)/python -m tests.edge_agent.fuzz $(ARGS)

fuzz-api: .venv/prepared  ## 50,000 made-up questions to the API (ARGS="--cases 5000")
	$(BIN)/python -m tests.gateway.api.fuzz $(ARGS)

benchmark-detection: .venv/prepared  ## detection beside other methods on labelled sets; writes docs/detection.md (SHARED=folder)
	$(BIN)/python tests/benchmarks/detection/table.py --shared $(SHARED) --write $(ARGS)

lock: .venv/prepared  ## choose newer versions of every dependency and write them down
	sh deploy/prepare --lock

pictures: .venv/prepared  ## the pictures of README.md, from a running demo and a real browser
	$(BIN)/python -m tests.pictures

audit: .venv/prepared  ## known vulnerabilities in what a server carries, and licences that do not go with ours
	deploy/supply/audit deploy/gateway.lock
	$(BIN)/python deploy/supply/licences >/dev/null

sbom: .venv/prepared  ## the list of components of this release, CycloneDX, in dist/sbom.json
	mkdir -p dist
	deploy/supply/sbom >dist/sbom.json

release: .venv/prepared  ## everything a release consists of, from the last commit, signed, in dist/VERSION (KEY=release.key)
	deploy/supply/release $(if $(KEY),--key $(KEY))

clean:  ## remove what the other targets made
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis gateway/api/static/vendor node_modules tests/textlint/node_modules
