# Every target sets up what it needs: Python >= 3.11 and make are enough. `make` alone lists the targets.
# Works with the make of macOS (3.81); the recipes name no absolute path, so a folder with spaces is fine.

PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null)
BIN := .venv/bin
TORCH := torch==2.13.0

# A .venv knows the folder that it was made in; one that was moved or copied along is made anew.
HERE := $(shell pwd | cksum | cut -d ' ' -f 1)

PYTEST := $(BIN)/pytest
WORKERS := -n auto --maxprocesses 4
THOROUGH := --ignore tests/docs/test_readme.py --hypothesis-profile thorough

# Some sixty tests start a process of the package, and each would compile it anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test slow cover tour docs site lint types oracle bench statistics course-full serving browser reliability lock clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

demo: .venv/$(HERE).runtime  ## train a GPT in pure Python, invent ten names, sweep an ablation (about two minutes)
	$(BIN)/nanochat train --preset microgpt --data builtin:names --steps 300 --out results/runs/demo --force
	$(BIN)/nanochat sample --run results/runs/demo --n-samples 10
	$(BIN)/nanochat ablate --steps 200 --out results/ablations/demo --force
	@echo "The report of the sweep: results/ablations/demo/report.md"
	@echo "The report of the run:   results/runs/demo/report.md"

test: .venv/$(HERE).dev  ## run every test that is not marked slow or oracle
	$(PYTEST) $(WORKERS) -m "not slow and not oracle and not browser"

slow: .venv/$(HERE).dev  ## run what `make test` leaves out: slow tests, 100 examples of each law, more faults
	$(PYTEST) $(WORKERS) -m "(slow or hypothesis or more) and not oracle and not browser" $(THOROUGH)

# The tracer takes more than twice the time: tests/conftest.py says for which tests it is at work.
cover: .venv/$(HERE).dev  ## both in one session, each test once; fails where the tests traced reach under 85 % of the lines
	$(PYTEST) $(WORKERS) -m "not oracle and not browser" $(THOROUGH) --cov --cov-fail-under=85 $(LESS)

tour: .venv/$(HERE).dev  ## run the tour of README as it stands
	$(PYTEST) -q tests/docs/test_readme.py

docs: .venv/$(HERE).dev  ## check the links and run the examples of docs/ and docstrings
	$(PYTEST) -q -m "not browser" tests/test_links.py tests/test_docstrings.py tests/docs --ignore tests/docs/test_readme.py

site: .venv/$(HERE).site  ## write lessons, guides, reports and a reference as pages into build/site (some minutes)
	$(BIN)/sphinx-build -q -n -W --keep-going -c docs/site -d build/site-doctrees . build/site
	$(PYTEST) -q tests/docs/test_site.py
	@echo "The site: build/site/index.html"

lint: .venv/$(HERE).dev  ## check style and format with ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Through a link, because mypy takes the name of a package from its folder, and a checkout may have any name.
types: .venv/$(HERE).dev  ## check types with mypy, strictly in the package
	@mkdir -p .venv/src && ln -sfn ../.. .venv/src/nanochat
	MYPYPATH=.venv/src $(BIN)/mypy -p nanochat

oracle: .venv/$(HERE).oracle  ## compare with torch, scipy, nbformat and others; sweep on a Dask cluster
	$(PYTEST) $(WORKERS) -m oracle $$(grep -rl --include '*.py' 'mark\.oracle' tests)

bench: .venv/$(HERE).runtime  ## measure both engines; against PyTorch too once `make oracle` has installed it
	$(BIN)/python benchmarks/scalar.py
	$(BIN)/python benchmarks/bpe.py
	$(BIN)/nanochat bench

statistics: .venv/$(HERE).dev  ## simulate studies whose truth is known and write results/reference/statistics/ (half an hour)
	$(BIN)/python tests/experiments/statistics/simulate.py
	$(BIN)/python tests/experiments/ladder/foretold.py

course-full: .venv/$(HERE).dev  ## judge right and wrong answers on all seeds, and the zoo on three; write results/reference/
	$(BIN)/python tests/course/full.py
	$(BIN)/python tests/course/zoo/measure.py

reliability: .venv/$(HERE).dev  ## inject faults, 637,000 in some 20 minutes, and write docs/reliability.md
	$(BIN)/python tests/reliability/measure.py

serving: .venv/$(HERE).serving  ## ask the server what the openai package and hostile clients ask
	$(PYTEST) -q -m "not browser" tests/serving tests/cli/commands/run/test_serve.py

browser: .venv/$(HERE).browser  ## walk the page in Chromium (installed by apt-get where it is missing and one is root)
	@command -v chromium >/dev/null || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || \
	  { apt-get -qq update && apt-get -qq install --yes --no-install-recommends chromium >/dev/null; }
	$(PYTEST) -q -m browser tests/serving/browser tests/docs/browser

lock:  ## write requirements/*.txt anew from pyproject.toml (needs uv)
	@test -n "$(UV)" || { echo "make lock needs uv on the PATH: install it with 'pip install uv'" >&2; exit 1; }
	$(COMPILE) pyproject.toml --group build --group test --group lint -o requirements/dev.txt
	$(COMPILE) pyproject.toml -c requirements/dev.txt -o requirements/runtime.txt
	$(COMPILE) pyproject.toml -c requirements/dev.txt --group build --group test -o requirements/test.txt
	$(COMPILE) -c requirements/dev.txt --group pyproject.toml:build -o requirements/build.txt
	$(COMPILE) -c requirements/dev.txt --group pyproject.toml:oracle -o requirements/oracle.txt
	$(COMPILE) pyproject.toml --extra cluster -c requirements/dev.txt -c requirements/oracle.txt -o requirements/cluster.txt
	$(COMPILE) pyproject.toml --extra learn -c requirements/dev.txt -c requirements/cluster.txt -o requirements/learn.txt
	$(COMPILE) pyproject.toml --extra serve -c requirements/dev.txt -c requirements/cluster.txt -o requirements/serve.txt
	echo "$(TORCH)" | $(COMPILE) pyproject.toml - --extra torch -c requirements/dev.txt -c requirements/oracle.txt -c requirements/cluster.txt -o requirements/torch.txt
	$(COMPILE) -c requirements/dev.txt -c requirements/oracle.txt -c requirements/serve.txt --group pyproject.toml:clients -o requirements/clients.txt
	$(COMPILE) -c requirements/dev.txt -c requirements/clients.txt --group pyproject.toml:browser -o requirements/browser.txt
	$(COMPILE) -c requirements/dev.txt -c requirements/oracle.txt -c requirements/cluster.txt --group pyproject.toml:site -o requirements/site.txt

# No header, no annotation, no index: a lock must not name a machine, a path or a host.
COMPILE = "$(UV)" pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links

clean:  ## remove .venv, builds and caches; results/ stays
	rm -rf .venv build dist nanochat.egg-info .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache

# **** the environment: one .venv, filled in layers, each from a lock with hashes

INSTALL := $(if $(UV),"$(UV)" pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install -qq --disable-pip-version-check)

.venv/$(HERE):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo \
	  "nanochat needs Python 3.11 or later, '$(PYTHON)' is missing or older: try 'make $(MAKECMDGOALS) PYTHON=python3.12'" >&2; exit 1; }
	@echo "Setting up .venv (once) ..."
	@rm -rf .venv
	@$(if $(UV),"$(UV)" venv --quiet --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" .venv,$(PYTHON) -m venv .venv) || { rm -rf .venv; echo \
	  "could not make .venv: install the venv module of Python (Debian: python3-venv) or uv" >&2; exit 1; }
	@$(INSTALL) --require-hashes -r requirements/build.txt
	@touch $@

# The package itself: editable, without its dependencies (they are there) and with the locked setuptools.
.venv/$(HERE).%: .venv/$(HERE) requirements/%.txt pyproject.toml
	@echo "Installing requirements/$*.txt ..."
	@$(INSTALL) --require-hashes -r requirements/$*.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/$(HERE).serving: .venv/$(HERE).dev requirements/serve.txt requirements/clients.txt
	@echo "Installing requirements/serve.txt and requirements/clients.txt ..."
	@$(INSTALL) --require-hashes -r requirements/serve.txt
	@$(INSTALL) --require-hashes -r requirements/clients.txt
	@touch $@

.venv/$(HERE).browser: .venv/$(HERE).serving requirements/browser.txt
	@echo "Installing requirements/browser.txt ..."
	@$(INSTALL) --require-hashes -r requirements/browser.txt
	@touch $@

.venv/$(HERE).site: .venv/$(HERE).dev requirements/site.txt
	@echo "Installing requirements/site.txt ..."
	@$(INSTALL) --require-hashes -r requirements/site.txt
	@touch $@

.venv/$(HERE).oracle: .venv/$(HERE).dev requirements/oracle.txt
	@echo "Installing requirements/oracle.txt and $(TORCH) ..."
	@$(INSTALL) --require-hashes -r requirements/oracle.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check $(TORCH)
	@touch $@
