# Two commands do everything on a fresh machine: `make sweep` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help setup sweep test check notebooks figures readme lint benchmarks site

help:            ## list the targets
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

setup: .venv/ready  ## make .venv and install adlib and what it needs

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable ".[test]"
	touch $@

sweep: setup     ## the main job: shot sweep on real images, table, figure, report
	$(BIN)/adlib sweep --data elpv --shots 1 4 32 256 --seeds 0 1 2 --selection random --preprocess informed \
		--out runs/elpv --figures figures

# Chapters run on features computed afresh: an old cache would hide a number that drifted.
test: setup lint  ## every test: library, notebooks, bad input
	cache=$$(mktemp -d) && trap 'rm -rf "$$cache"' EXIT && ADLIB_CACHE=$$cache \
		$(BIN)/python -m pytest -n 2 --dist loadfile --nbval --nbval-sanitize-with tests/notebooks/nbval_sanitize.cfg \
		tests notebooks adlib/experiments/run.ipynb

check: setup lint  ## the fast part of the tests, for daily work
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow" tests

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell

notebooks: setup  ## execute every notebook, keep its outputs, stamp it
	$(BIN)/python -m tools.refresh notebooks

figures: sweep   ## render figures/; heat maps need what the sweep leaves in runs/elpv, so it runs where that is missing
	$(BIN)/python -m tools.refresh figures

readme: setup    ## fill the README's tables from results/
	$(BIN)/python -m tools.refresh readme

benchmarks: setup  ## speed of the library next to plain baselines; benchmarks/README.md names what needs data
	for name in metrics bank sharing features; do $(BIN)/python benchmarks/$$name.py || exit 1; done

site: setup      ## the course as static pages in site/, from the committed notebooks and rows; nothing is executed
	$(BIN)/python -m pip install --quiet --editable ".[site]"
	$(BIN)/python -m tools.site $(CHAPTERS)
