PYTHON ?= $(shell python3.11 -c "" 2>/dev/null && echo python3.11 || echo python3)
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test slow lint docs clean

demo: .venv/.installed
	$(BIN)/python examples/label_digits.py

# One thread a process: processes with threads of their own starve each other.
test: .venv/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

slow: .venv/.installed-bench
	$(BIN)/python -m pytest -m slow

lint: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/.installed-docs
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

clean:
	rm -rf .venv build dist docs/_build examples/output
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find sklvae tests examples benchmarks docs -name __pycache__ -prune -exec rm -rf {} +

# The stamps are written last, so an installation that broke off is taken up again.
.venv/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -e ".[dev]" -c constraints.txt
	touch $@

.venv/.installed-bench: .venv/.installed
	$(BIN)/python -m pip install -e ".[bench]" -c constraints.txt
	touch $@

.venv/.installed-docs: .venv/.installed
	$(BIN)/python -m pip install -e ".[docs]" -c constraints.txt
	touch $@
