# make run    set up .venv, measure the sample photographs, print the leaderboard
# make test   set up .venv, run the tests
# make lint   set up .venv, check style and types
# make perf   set up .venv, compare speeds: ours against the plain way, within one run

PYTHON ?= python3
EXTRAS ?= test
# Two processes more than there are cores: many tests wait for processes of their own.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 2)')
BIN := .venv/bin

.PHONY: run test lint perf setup clean

run: setup
	$(BIN)/codecshift run

test: setup
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

perf: setup
	@# One thread, as the workers of a run have.
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest tests/perf --benchmark-enable --benchmark-columns=min,median,rounds

setup: .venv/installed-$(EXTRAS)

.venv/installed-$(EXTRAS): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "codecshift is tested with Python 3.11 to 3.13: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing codecshift[$(EXTRAS)] and its packages into .venv: pip is silent for a minute or two"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	@# Photographs of frost are read out of this wheel. Installing it would bring the desktop build of OpenCV.
	$(BIN)/python -m pip download --quiet --disable-pip-version-check -c constraints.txt --no-deps --dest .venv/share/codecshift imagecorruptions
	@# mypy checks the rooms under their installed names, through this link.
	mkdir -p .venv/src && ln -sfn ../.. .venv/src/codecshift
	touch $@

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache
