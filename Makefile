# The main targets are `make demo` and `make test`. Both install what they need, once.
SHELL := /bin/sh
BIN := .venv/bin
.DEFAULT_GOAL := help
SHARED ?= ../shared
.PHONY: help demo test check types suite prose containers benchmark-detection faults attack fuzz fuzz-api configuration sensors pictures lock clean audit sbom release

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-24s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/prepared: requirements.lock deploy/installer.lock pyproject.toml deploy/prepare hatch_build.py gateway/api/static/package-lock.json $(wildcard */locale/*/*/*.po)
	sh deploy/prepare $(PREPARATION)

demo: .venv/prepared  ## run all of Piekwacht on this machine: map, alerts, twelve simulated nodes (ARGS="--duration 60")
	$(BIN)/piekwacht demo $(ARGS)

# Types and prose are checked beside the tests, which wait for servers and browsers for a third of their time.
test: PREPARATION := --for-tests
test: .venv/prepared  ## run all checks and all tests but benchmarks and containers
	sh deploy/prepare --test-programs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@$(MAKE) --no-print-directory -j 2 suite types

suite: .venv/prepared
	$(BIN)/pytest -m "not benchmark and not containers" -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

types: .venv/prepared
	nice $(BIN)/mypy
	nice $(BIN)/lint-imports --no-cache
	@$(MAKE) --no-print-directory prose ARGS=

check: .venv/prepared  ## check format, lint, types and import contracts; run the fast tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@$(MAKE) --no-print-directory types
	$(BIN)/pytest -q -m "not slow and not browser and not timescale and not benchmark and not containers"

prose: .venv/prepared  ## find long sentences and banned terms in documents, docstrings and comments (ARGS="--only PATH...")
	@sh deploy/prepare --node
	@$(BIN)/python -m tests.textlint $(ARGS) || [ $$? = 3 ]

containers: .venv/prepared  ## test deploy/compose: build and start it with Docker, send a reading through it (as root)
	$(BIN)/pytest -m containers tests/containers $(ARGS)

faults: .venv/prepared  ## kill processes, cut connections and power in a long test (ARGS="--kills 200 --seed 7")
	$(BIN)/pytest tests/faults -s --kills 200 $(ARGS)

attack: .venv/prepared  ## attack a running site and measure what others notice (ARGS="--long")
	$(BIN)/pytest tests/attack -s $(ARGS)

fuzz: .venv/prepared  ## send an hour of noise to every decoder of the agent, and one to the verifier (ARGS="--seconds 60")
	$(BIN)/python -m tests.edge_agent.fuzz $(ARGS)
	$(BIN)/python -m tests.gateway.verification.fuzz $(ARGS)

fuzz-api: .venv/prepared  ## send 50,000 generated requests to the API (ARGS="--cases 5000")
	$(BIN)/python -m tests.gateway.api.fuzz $(ARGS)

benchmark-detection: .venv/prepared  ## compare detection with other methods on labelled sets; write docs/detection.md (SHARED=folder)
	$(BIN)/python tests/benchmarks/detection/table.py --shared $(SHARED) --write $(ARGS)

lock: .venv/prepared  ## choose newer versions of all dependencies and write the lock files
	sh deploy/prepare --lock

configuration: .venv/prepared  ## write docs/configuration.md from the settings types
	$(BIN)/python -m tests.configuration_reference --write

sensors: .venv/prepared  ## write the tables of docs/operator/sensors.md from the table of sensor models
	$(BIN)/python -m tests.sensor_reference --write

pictures: .venv/prepared  ## make the pictures of README.md and docs, from a running demo and a browser (ARGS="resident/map")
	$(BIN)/python -m tests.pictures $(ARGS)

audit: .venv/prepared  ## find known vulnerabilities and incompatible licences among the packages of a server
	deploy/supply/audit deploy/gateway.lock
	$(BIN)/python deploy/supply/licences >/dev/null

sbom: .venv/prepared  ## write the list of components of this release (CycloneDX) to dist/sbom.json
	mkdir -p dist
	deploy/supply/sbom >dist/sbom.json

release: .venv/prepared  ## build and sign a release from the last commit, in dist/VERSION (KEY=release.key)
	deploy/supply/release $(if $(KEY),--key $(KEY))

clean:  ## remove all files that other targets made
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis gateway/api/static/vendor node_modules tests/textlint/node_modules
