# Two commands: `make demo` shows what Onward does, `make test` runs the whole check.
# `make faults` goes on where its fault tests stop: a thousand kills, and every other fault in every way.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
export MPLBACKEND := Agg
export NO_MKDOCS_2_WARNING := 1

.PHONY: demo test faults docs serve-docs clean

demo: .venv/demo.done
	$(BIN)/onward demo

test: .venv/test.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist loadscope --cov --cov-report=term
	$(BIN)/mkdocs build --strict --quiet

FAULTS ?= 1000
FAULTS_REPORT := .faults

faults: .venv/test.done
	rm -rf $(FAULTS_REPORT)
	began=$$(date +%s); \
	ONWARD_FAULTS=$(FAULTS) ONWARD_FAULTS_REPORT=$(FAULTS_REPORT) $(BIN)/pytest tests/faults -n 2 --dist worksteal && \
	$(BIN)/python -m tests.faults.report $(FAULTS_REPORT) $$(($$(date +%s) - began))

docs: .venv/test.done
	$(BIN)/mkdocs build --strict

serve-docs: .venv/test.done
	$(BIN)/mkdocs serve

.venv/pip.done: constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Onward needs Python 3.11 or newer.")'
	$(PYTHON) -m venv .venv
	$(PIP) install --quiet --constraint constraints.txt pip
	touch $@

.venv/demo.done: .venv/pip.done pyproject.toml
	$(PIP) install --quiet --constraint constraints.txt --editable '.[text,plots]'
	touch $@

.venv/test.done: .venv/pip.done pyproject.toml
	$(PIP) install --quiet --constraint constraints.txt --group test --group docs --editable '.[all]'
	touch $@

clean:
	rm -rf .venv site dist onward-demo .coverage* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache $(FAULTS_REPORT)
