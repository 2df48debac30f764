# `make demo` and `make test` need a fresh clone, Python and pip: they make .venv, install the tested versions and run.
#   PYTHON    the interpreter that makes .venv
#   PIP_ARGS  more options for pip, for instance another index
#   OUT       where `make bench-gpu` writes
#   GPU_PYTHON  the interpreter of `make env-gpu-versions`

PYTHON ?= python3
PIP_ARGS ?=
OUT ?= runs
GPU_PYTHON ?= $(shell python3.12 -c pass 2>/dev/null && echo python3.12 || echo $(PYTHON))
TRANSFORMERS := 5.10.4 5.17.0 5.23.0
GPU_VERSIONS := torch==2.11.* triton==3.6.* transformers==5.17.*
BIN := .venv/bin

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-all test-versions lint format docs dist results bench bench-export bench-gpu env-gpu-versions test-gpu-versions clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

demo: .venv/.stamp-demo ## merge tokens in the model that ships with the package, and show what it gains
	$(BIN)/hf-tome demo

test: lint ## linters, type checker and the quick tests
	$(BIN)/python -m pytest -n auto -m "not slow"

test-all: lint ## the same with the slow tests
	$(BIN)/python -m pytest -n auto

lint: .venv/.stamp-dev ## linters, of Python and of the workflows, and type checker
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/actionlint .github/workflows/*.yml

format: .venv/.stamp-dev ## mend what the linters can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/.stamp-docs ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Nothing of .venv: what builds the wheel and what it is tried in hold nothing else. PyPI takes wheels of any size; 6 MB is ours.
dist: ## build sdist and wheel into dist/, and try the wheel in an empty environment
	rm -rf dist .venv-dist .venv-wheel
	$(PYTHON) -m venv .venv-dist
	.venv-dist/bin/python -m pip install $(PIP_ARGS) build twine
	.venv-dist/bin/python -m build
	.venv-dist/bin/python -m twine check --strict dist/*
	@if find dist -name '*.whl' -size +6000000c | grep .; then echo "make: the wheel is larger than 6 MB" >&2; exit 1; fi
	$(PYTHON) -m venv .venv-wheel
	.venv-wheel/bin/python -m pip install $(PIP_ARGS) "$$(echo dist/*.whl)[cli]"
	cd .venv-wheel && bin/hf-tome demo && bin/python ../.ci/smoke.py

results: .venv/.stamp-dev ## measure anew, and write the tables of README and docs (about two minutes)
	$(BIN)/python -m benchmarks.demo_results
	$(BIN)/python -m benchmarks.evaluating

bench: .venv/.stamp-dev ## measure the speed of full-size models on this CPU, and write the tables (about 15 minutes)
	$(BIN)/python benchmarks/speed.py cpu

bench-export: .venv/.stamp-dev ## the same in ONNX Runtime and OpenVINO, which it installs (about 40 minutes)
	$(BIN)/python -m pip install $(PIP_ARGS) -c constraints.txt -e ".[dev,export]"
	$(BIN)/python -m benchmarks.exported

bench-gpu: ## the same on a GPU, by the packages of $(PYTHON), into $(OUT) (ends within 8 minutes)
	$(PYTHON) benchmarks/speed.py gpu --out "$(OUT)"

clean: ## remove all that make has made, the environments too
	rm -rf .venv .venv-gpu .venv-dist .venv-wheel $(TRANSFORMERS:%=.venv-%) hf-tome-demo.png build dist site .pytest_cache .ruff_cache .hypothesis
	find hf_tome tests examples benchmarks -name __pycache__ -prune -exec rm -rf {} +

# A stamp says that an environment holds what pyproject.toml and constraints.txt ask for.

define make-venv
@command -v $(PYTHON) >/dev/null || { echo "make: no $(PYTHON) here. Name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
@$(PYTHON) -c 'import sys; sys.exit("make: the tested versions need Python 3.11 or later, $(PYTHON) is %d.%d. Name another: make PYTHON=python3.11" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
$(PYTHON) -m venv $(@D)
endef

# PyPI's torchaudio cannot be imported beside a CPU build of torch, until the doctor has set its CUDA library aside.
mend-torchaudio = @! $(1)/python -m pip show -q torchaudio 2>/dev/null || $(1)/hf-tome doctor --fix

.venv/.stamp-python:
	$(make-venv)
	@touch $@

.venv/.stamp-demo: EXTRAS := cli
.venv/.stamp-dev: EXTRAS := dev
.venv/.stamp-docs: EXTRAS := docs
# Newer versions: install .[dev,docs] into an empty environment without constraints.txt, write into that what
# `pip freeze --all --exclude pip --exclude-editable` prints (torch without its local suffix), and run
# `make test-all test-versions docs`.
.venv/.stamp-demo .venv/.stamp-dev .venv/.stamp-docs: .venv/.stamp-python pyproject.toml constraints.txt
	$(BIN)/python -m pip install $(PIP_ARGS) -c constraints.txt -e ".[$(EXTRAS)]"
	$(call mend-torchaudio,$(BIN))
	@touch $@

# Other versions of transformers, each in its own environment, with the hub and the tokenizers that they ask for.

RUNS := $(TRANSFORMERS:%=test-transformers-%)
.PHONY: $(RUNS)

test-versions: $(RUNS) ## the quick tests under each tested version of transformers

$(RUNS): test-transformers-%: .venv-%/.stamp-dev
	.venv-$*/bin/python -m pytest -n auto -m "not slow"

$(TRANSFORMERS:%=.venv-%/.stamp-dev): .venv-%/.stamp-dev: pyproject.toml constraints.txt
	$(make-venv)
	grep -vE '^(transformers|huggingface_hub|tokenizers)==' constraints.txt > $(@D)/constraints.txt
	echo "transformers==$*" >> $(@D)/constraints.txt
	$(@D)/bin/python -m pip install $(PIP_ARGS) -c $(@D)/constraints.txt -e ".[dev]"
	$(call mend-torchaudio,$(@D)/bin)
	@touch $@

# The versions of machines with a GPU. PyPI's torch for Linux brings CUDA packages, 5 GB in all, and runs without a GPU.
# numpy: the interpreter of triton 3.6 fails on later ones.

env-gpu-versions: ## an environment of the versions that a GPU's machine has; says why where it cannot be had
	@if test -e .venv-gpu/.stamp; then exit 0; fi; rm -rf .venv-gpu; \
	if $(GPU_PYTHON) -m venv .venv-gpu && .venv-gpu/bin/python -m pip install $(PIP_ARGS) -e . \
		$(GPU_VERSIONS) "numpy<2.4" "pytest>=9" hypothesis; \
	then touch .venv-gpu/.stamp; \
	else rm -rf .venv-gpu; echo "make: skipped, $(GPU_PYTHON) cannot have $(GPU_VERSIONS); pip says why above" >&2; fi

test-gpu-versions: env-gpu-versions ## the quick tests of kernels, compilation and state under these versions
	@if test -e .venv-gpu/.stamp; then .venv-gpu/bin/python -m pytest -m "not slow" tests/kernels tests/state; \
	else echo "make: skipped, no environment" >&2; fi
