# make book, make test: each makes .venv when it is missing and installs what is
# needed, then does its job. Works with GNU make 3.81, which macOS has.

PYTHON ?= python3
PORT ?= 8000

BIN := .venv/bin
INSTALLED := .venv/.installed

# With more threads than idle cores, PyTorch can be a hundred times slower; and
# with one thread, the same seeds give the same numbers.
export OMP_NUM_THREADS := 1

.PHONY: help book test quick notebooks chapter census pdf colab links address \
  lighthouse lowest mutants lab serve clean

help:
	@echo "make book        build the book into _build/html"
	@echo "make serve       build it and serve it on http://localhost:$(PORT)"
	@echo "make pdf         print the book and each chapter into _build/pdf"
	@echo "make test        check everything"
	@echo "make quick       check the main things, within a minute"
	@echo "make mutants     break the package line by line and ask the tests: hours,"
	@echo "                 resumable; NAMES=\"core metrics\" chooses modules"
	@echo "make lab         open the notebooks in JupyterLab"
	@echo "make notebooks   execute the notebooks and store their outputs;"
	@echo "                 NAMES=\"01 02\" chooses some"
	@echo "make colab       run the notebooks beside Colab's older packages;"
	@echo "                 NAMES=\"03\" chooses; 6 GB and minutes the first time"
	@echo "make lowest      run the tests beside the oldest packages that are"
	@echo "                 allowed; 6 GB and minutes the first time"
	@echo "make chapter     begin a chapter: NAME=hierarchies TITLE=\"Hierarchies\""
	@echo "make census      count what the notebooks and their pages are made of"
	@echo "make lighthouse  ask Lighthouse about some pages; needs Node and lighthouse"
	@echo "make links       ask whether the links to other sites still lead there"
	@echo "make address     change the public address everywhere: URL=https://..."
	@echo "make clean       remove what was built; .venv stays"
	@echo "PYTHON=python3.12 chooses the Python that .venv is made with."

# --all: a style sheet or a line of the package may have changed without a page.
book: $(INSTALLED)
	$(BIN)/jupyter-book build . --all -W -n --keep-going --quiet

test: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -n 2 --dist loadscope
	$(BIN)/python -m pytest --nbval-lax --nbval-current-env \
	  --nbval-cell-timeout 600 -n 2 --dist loadscope notebooks

# What most changes break first, without notebooks, pages and training runs.
quick: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -q -n 2 --dist loadscope tests/test_core.py \
	  tests/test_metrics.py tests/test_mlp.py tests/test_rooms.py tests/theory \
	  tests/show/test_claims.py tests/book/test_readme.py \
	  tests/book/test_address.py tests/book/test_notebooks.py \
	  -k "not own_posteriors and not training_reaches"

mutants: $(INSTALLED)
	$(BIN)/python -m tools.mutants $(NAMES)

notebooks: $(INSTALLED)
	$(BIN)/python -m tools.notebooks $(NAMES)

colab: $(INSTALLED)
	$(BIN)/python -m tools.colab $(NAMES)

lowest: $(INSTALLED)
	$(BIN)/python -m tools.lowest

chapter: $(INSTALLED)
	$(BIN)/python -m tools.chapter "$(NAME)" "$(TITLE)"

links: $(INSTALLED)
	$(BIN)/jupyter-book build . --builder linkcheck

pdf: book
	$(BIN)/python -m tools.pdf

census: book
	$(BIN)/python -m tools.census --pages _build/html

lighthouse: book
	$(BIN)/python -m tools.lighthouse

address:
	$(PYTHON) -m tools.address "$(URL)"

lab: $(INSTALLED)
	$(BIN)/jupyter-lab notebooks

serve: book
	@echo "Serving on http://localhost:$(PORT); Ctrl-C stops."
	$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

clean:
	rm -rf _build .pytest_cache .ruff_cache

$(INSTALLED): pyproject.toml requirements.txt
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || { \
	  $(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 10))" || { \
	    echo "Python 3.10 or newer is needed, and $(PYTHON) is not that." \
	      "Name another: make PYTHON=python3.12 ..."; exit 1; }; \
	  echo "Making .venv and installing into it; this takes minutes, once."; \
	  $(PYTHON) -m venv .venv; }
	$(BIN)/python -m pip install -r requirements.txt
	@touch $@
