# Every target installs what it needs first. `make` alone shows this list.
.DEFAULT_GOAL := help
.PHONY: help install lock setup doctor demo test model faults soak scale-test check audit bounds fuzz docs docs-follow docs-site format bench-smoke bench bench-peers wheels release stranger clean \
        purge

PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv
SITE := .venv/site
DAGSTER := .venv/dagster
MANIFESTS := .venv/manifests
MEMBERS := kinetic-mailchimp-kit tap-epicor-kinetic tap-mailchimp-webhooks target-epicor-contacts \
           target-mailchimp tests/simulators
PUBLISHED := $(filter-out tests/simulators,$(MEMBERS))
PACKAGES := $(patsubst %/py.typed,%,$(wildcard $(addsuffix /*/py.typed,$(MEMBERS))))

# With these, each of the thousands of programs that the tests start compiles all its modules again, and writes its
# output line by line. Images of containers set them.
unexport PYTHONDONTWRITEBYTECODE PYTHONUNBUFFERED

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: .venv/installed ## Put a working .venv here, from requirements.lock

# uv itself is taken from the lock file too, by the pip that comes with Python.
.venv/installed: requirements.lock pyproject.toml $(addsuffix /pyproject.toml,$(MEMBERS))
	$(PYTHON) -m venv .venv
	@awk '/^uv==/ { on = 1 } on { print } on && !/\\$$/ { exit }' requirements.lock > .venv/uv.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt
	$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(foreach member,$(MEMBERS),--editable $(member))
	@touch $@

lock: ## Write requirements.lock again (needs the network)
	$(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 --all-extras \
	    --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
	    $(foreach member,$(MEMBERS),--no-emit-package $(notdir $(member))) --no-emit-package connector-simulators \
	    --group run --group dev pyproject.toml $(addsuffix /pyproject.toml,$(MEMBERS)) --output-file requirements.lock
	$(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	    --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
	    --group site --constraint requirements.lock --output-file tests/docs/requirements.lock
	@for group in dagster:deploy/dagster manifests:tests/scale; do \
	    $(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	        --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
	        --group $${group%:*} --output-file $${group#*:}/requirements.lock || exit 1; done

setup: install ## Ask, try each answer, write .env; or SETUP_ANSWERS=FILE
	@$(BIN)/connector-setup

doctor: install ## Look at everything that a run needs, and say what to do
	@$(BIN)/connector-doctor

demo: install ## Both pipelines, simulated; DEMO_CUSTOMERS=N sets the size
	$(BIN)/python tests/e2e/demo.py

test: install $(DAGSTER)/installed $(MANIFESTS)/installed ## Every test
	$(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

model: export MODEL_SEQUENCES ?= 4000
model: export MODEL_SECONDS ?= 3600
model: install ## MODEL_SEQUENCES stories; MODEL_RUNS=processes or meltano
	$(BIN)/pytest tests/model/test_both_ways.py --numprocesses auto --dist load --override-ini timeout=86400

faults: export FAULTS := all
faults: install ## Every process under every fault of docs/faults.md
	$(BIN)/pytest tests/faults --numprocesses auto --dist loadfile

soak: export PYTHONPATH := tests/e2e:tests/model
soak: install ## Both directions under load for SOAK_MINUTES (30)
	$(BIN)/python tests/soak/soak.py

scale-test: install $(DAGSTER)/installed $(MANIFESTS)/installed ## Ten tenants, two workers, one of them killed
	$(BIN)/pytest tests/scale --override-ini python_files='scale_*.py' --override-ini timeout=7200

check: install $(DAGSTER)/installed ## Lint, format, types, imports, dependencies, documentation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(PACKAGES)
	@# Tests are held to the same, but for annotations of their fixtures.
	@for tests in $(wildcard $(addsuffix /tests,$(MEMBERS))) tests/e2e tests/bench tests/docs tests/doctor tests/faults tests/fuzz tests/model tests/scale tests/soak tests/stranger tests/upgrades .ci; do \
	    $(BIN)/mypy --allow-untyped-defs --allow-incomplete-defs $$tests || exit 1; done
	MYPYPATH=deploy/dagster $(BIN)/mypy --python-executable $(DAGSTER)/bin/python --disable-error-code import-untyped --allow-subclassing-any \
	    --cache-dir .mypy_cache/dagster deploy/dagster
	$(BIN)/lint-imports
	@for member in $(MEMBERS); do \
	    found=$$(cd $$member && "$(CURDIR)/$(BIN)/deptry" . 2>&1) || { echo "$$found"; exit 1; }; done
	$(BIN)/python tests/docs/generate.py
	$(BIN)/python tests/docs/references.py
	$(BIN)/python tests/docs/words.py
	$(BIN)/python .ci/audit.py --quick

audit: install ## Known vulnerabilities, licences, findings of bandit
	$(BIN)/python .ci/audit.py

bounds: install ## Some tests, with the lowest and highest dependencies
	.ci/bounds

fuzz: export HYPOTHESIS_PROFILE := search
fuzz: install ## Odd inputs for all that parses; FUZZ_EXAMPLES=N
	$(BIN)/pytest tests/fuzz --override-ini python_files='fuzz_*.py'

docs: install ## Write what follows from the code: settings, tables, versions
	$(BIN)/python tests/docs/generate.py --write

docs-follow: install ## Follow the tutorial and how-tos from their own words
	$(BIN)/pytest tests/e2e --numprocesses auto --dist load --override-ini python_files='follow_*.py' \
	    --override-ini timeout=3600

docs-site: $(SITE)/installed ## Build the documentation into site/; fails on a dead link
	NO_MKDOCS_2_WARNING=1 PYTHONDONTWRITEBYTECODE=1 $(SITE)/bin/mkdocs build --strict --quiet
	@echo "Open site/index.html"

# Environments of their own, each from a lock file of its own: nothing else needs what they have.
$(SITE)/installed: tests/docs/requirements.lock
$(DAGSTER)/installed: deploy/dagster/requirements.lock
$(MANIFESTS)/installed: tests/scale/requirements.lock
.venv/%/installed: .venv/installed
	$(UV) venv --quiet --clear --python $(BIN)/python $(@D)
	$(UV) pip sync --quiet --python $(@D)/bin/python --require-hashes $(filter %.lock,$^)
	@touch $@

format: install ## Format, and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench-smoke: export BENCH_SMOKE := 1
bench-smoke: install ## Every benchmark, so small that it shows only that it runs
	$(BIN)/pytest tests/bench --capture=no --override-ini python_files='bench_*.py'

bench: install ## Benchmarks: ratios against a floor measured in the same run
	$(BIN)/pytest tests/bench --capture=no --override-ini python_files='bench_*.py' --override-ini timeout=3600

bench-peers: export PYTHONPATH := tests/bench
bench-peers: install ## Compare with what others use; PEERS=--write keeps it
	$(BIN)/python tests/bench/peers/compare.py $(PEERS)

wheels: install ## Build wheels into dist/, for `pip install --find-links dist`
	rm -rf dist
	@for member in $(PUBLISHED); do \
	    $(UV) build --quiet --wheel --no-build-isolation --python $(BIN)/python --out-dir dist $$member || exit 1; done

release: install ## Build and tag the version in VERSION; uploads nothing
	PYTHONPATH=tests/docs $(BIN)/python .ci/release.py --check-only
	$(MAKE) check
	PYTHONPATH=tests/docs $(BIN)/python .ci/release.py

stranger: ## Follow the READMEs in an empty home, with nothing installed
	$(PYTHON) tests/stranger/walk.py

clean: ## Remove what make made; data/, output/ and state stay
	rm -rf .venv site dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .schemathesis
	rm -rf $(wildcard .meltano/*/*/venv)
	find . -name __pycache__ -type d -not -path './data/*' -prune -exec rm -rf {} +

# Whoever is asked must type the word: an empty answer, or no terminal, deletes nothing.
purge: ## Delete data/, output/, .meltano/ as well, after a question
	@printf 'This deletes data/, output/ and .meltano/ in $(CURDIR), for good: who opted out, what was sent, the bookmarks.\nType "delete" to go on: '
	@read -r answer && [ "$$answer" = delete ] || { echo "Nothing was deleted."; exit 1; }
	rm -rf data output .meltano
