# The lines a person types are the lines CI runs. Only Python 3.11+, make and git are needed.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
NAME ?= churn
# Give the CPU build of PyTorch that your index has; `make test TORCH=` does without, and the tests of the torch
# and Keras parts are then skipped with a reason.
TORCH ?= torch==2.13.0
EXTRAS := dev,excel,catboost,forecast,recsys,serve,mlflow,wandb,tensorboard,ray,github,agents,dvc,sql
# Rest of the command line after `make demo`: make demo fraud
ifeq (demo,$(firstword $(MAKECMDGOALS)))
  ifneq (,$(word 2,$(MAKECMDGOALS)))
    NAME := $(word 2,$(MAKECMDGOALS))
    $(eval $(NAME):;@:)
  endif
endif

.PHONY: install demo test test-all check format bench docs clean

install: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade uv
ifneq (,$(TORCH))
	$(BIN)/python -m pip install --quiet '$(TORCH)'
	$(BIN)/uv pip install --quiet --python $(BIN)/python -e '.[$(EXTRAS),torch,keras]'
else
	$(BIN)/uv pip install --quiet --python $(BIN)/python -e '.[$(EXTRAS)]'
endif
	@touch $(STAMP)

demo: install
	$(BIN)/sw demo $(NAME)

test: install
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-all: install
	$(BIN)/python -m pytest -n 2 --dist worksteal

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

docs: install
	$(BIN)/python docs/build_reference.py

clean:
	rm -rf .venv demo .pytest_cache .mypy_cache .ruff_cache
