# make demo   the built-in study, from nothing to its tables
# make test   everything that a machine without GPU and network can check
# make slow   the tests that take minutes: every model family, training, several processes, shipped studies
# make soak   the fault tests at twenty times their length: kills, full disks, damage, clocks, hosts (half an hour)
# make docs   the documentation as a site, in build/site
# make reference  the generated pages of docs/ anew, from the code
# make paper  paper and supplement as PDF, from the studies that have been run (quick is run first where it is missing)
# make check  formatting, lint and types

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
STUDY  ?= manifests/quick.toml

.PHONY: demo paper test fast slow soak check docs reference weights clean help
.DEFAULT_GOAL := help

help:
	@sed -n '/^$$/q; s/^# //p' Makefile

$(READY): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,docs]'
	@touch $@

demo: $(READY)
	@$(BIN)/vlmunl run $(STUDY)

paper: $(READY)
	@$(BIN)/vlmunl run quick --quiet
	@$(BIN)/vlmunl tables quick --pdf

test: $(READY)
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

fast: $(READY)
	$(BIN)/python -m pytest -m "not model and not slow"

slow: $(READY)
	$(BIN)/python -m pytest -m slow -n auto --dist loadfile --no-loadscope-reorder

soak: $(READY)
	VLMUNL_SOAK=20 $(BIN)/python -m pytest -n 0 --durations=10 tests/faults

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "build/site/index.html"

reference: $(READY)
	$(BIN)/python -m vlmunl.reference

# re-trains the embedded model from nothing (about an hour); compare training.json and the weights' hash
weights: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m vlmunl.models.pretrain.train --out build/tiny --log build/train.log

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
