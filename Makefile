# Each target makes the virtual environment it needs; nothing has to be installed before.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
BUILD = pyproject.toml CMakeLists.txt $(wildcard csrc/*)
DEV = $(VENV)/.installed-dev
CORE = $(VENV)/.installed-core

.PHONY: demo test lint bench clean

demo: $(CORE)
	$(BIN)/python demo/demo.py

test: lint
	$(BIN)/python -m pytest --cov

lint: $(DEV)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(DEV)
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) demo/output

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(CORE): $(BUILD) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable . scikit-learn
	touch $@

$(DEV): $(BUILD) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(CORE)
