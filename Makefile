# What a newcomer and CI run. Every target works from a bare clone with Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
DATA := $(wildcard ../shared)
export TWINSET_TEST_DATA ?= $(abspath $(DATA))

.PHONY: demo test check-deep format clean

demo: $(VENV)/core
	$(BIN)/twinset demo

test: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -m "not deep" --numprocesses auto --dist loadscope
	scripts/check_wheel.sh $(BIN)/python

check-deep: $(VENV)/dev
	$(BIN)/python scripts/check_deep.py

format: $(VENV)/dev
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist twinset-demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# The stamps are newer than what they depend on once the install has succeeded.
$(VENV)/core: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) --editable .
	touch $@

$(VENV)/dev: $(VENV)/core
	$(PIP) --editable '.[dev]'
	touch $@
