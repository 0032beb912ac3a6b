# Faultline. `make help` lists what there is; `make demo` needs only Python (3.11 or newer) and make.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv
# One machine's settings of pip do not reach uv; certificates of the system are used as pip uses them.
UVFLAGS := --quiet --system-certs

.DEFAULT_GOAL := help
.PHONY: help install dev demo test unit chaos fuzz lint format bench lock clean services

help:  ## show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(BIN)/.installed $(BIN)/.kernels  ## make .venv with the `faultline` command in it, its inner loops compiled
	@echo "compiling the inner loops: two minutes or less, once per machine"
	@$(BIN)/faultline compile
	@echo "ready: $(BIN)/faultline --help"

dev: $(BIN)/.installed-dev  ## the same, plus what tests and lint need

demo: $(BIN)/.installed $(BIN)/.kernels  ## watch telemetry become incidents: embedded broker and Redis, two minutes
	@$(BIN)/faultline demo

test: $(BIN)/.installed-dev $(BIN)/.kernels  ## every test; brings up a real Kafka and a real Redis (ARGS="-k name" picks)
	@$(BIN)/faultline compile
	@$(BIN)/python -m pytest $(ARGS)

unit: $(BIN)/.installed-dev $(BIN)/.kernels  ## the tests that need no service, in seconds
	@$(BIN)/python -m pytest -m "not integration and not chaos" $(ARGS)

chaos: $(BIN)/.installed-dev $(BIN)/.kernels  ## random faults, seed by seed, against real workers, broker and Redis (SEEDS=200)
	@$(BIN)/faultline compile
	@FAULTLINE_TEST_SEEDS=$(or $(SEEDS),200) $(BIN)/python -m pytest -m "chaos or integration" --timeout=0 tests/chaos $(ARGS)

fuzz: $(BIN)/.installed-dev $(BIN)/.kernels  ## mutated records through every wire format's decoder (INPUTS=100000 a format)
	@FAULTLINE_TEST_FUZZ=$(or $(INPUTS),100000) $(BIN)/python -m pytest tests/workers/intake/test_fuzz.py $(ARGS)

lint: $(BIN)/.installed-dev  ## ruff, mypy --strict, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(BIN)/.installed-dev  ## let ruff put the code in order
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(BIN)/.installed-bench $(BIN)/.kernels  ## the speeds of DESIGN.md, beside a peer, on a real broker
	@$(BIN)/faultline compile
	@$(BIN)/python -m bench $(ARGS)

services: $(BIN)/.installed-dev  ## a real Kafka and a real Redis on this machine, until Ctrl-C
	@$(BIN)/python -m tests.support.services

lock: $(UV)  ## resolve the versions in requirements/ anew
	@$(UV) pip compile $(UVFLAGS) $(LOCKFLAGS) --upgrade --extra dev -o requirements/dev.txt pyproject.toml
	@$(UV) pip compile $(UVFLAGS) $(LOCKFLAGS) -c requirements/dev.txt --extra archive --extra demo --extra history --extra labels --extra notify --extra opensearch --extra s3 --extra signing --extra build -o requirements/run.txt pyproject.toml
	@$(UV) pip compile $(UVFLAGS) $(LOCKFLAGS) -c requirements/dev.txt --extra archive --extra history --extra host --extra notify --extra s3 --extra signing --extra build -o requirements/worker.txt pyproject.toml
	@$(UV) pip compile $(UVFLAGS) $(LOCKFLAGS) -c requirements/dev.txt --extra archive --extra history --extra host --extra notify --extra s3 --extra signing --extra build --extra onnx -o requirements/worker-onnx.txt pyproject.toml
	@$(UV) pip compile $(UVFLAGS) $(LOCKFLAGS) -c requirements/dev.txt --extra bench -o requirements/bench.txt pyproject.toml
	@echo uv | $(UV) pip compile $(UVFLAGS) $(LOCKFLAGS) --upgrade -o requirements/bootstrap.txt -
	@! grep -n '://' requirements/*.txt

LOCKFLAGS := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate

clean:  ## remove what was built, downloaded and written here
	rm -rf $(VENV) .cache build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(UV): requirements/bootstrap.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $@

# Two stages, so that a demo does not wait for the tools of development. Same versions in both.
$(BIN)/.installed: requirements/run.txt pyproject.toml | $(UV)
	@$(UV) pip install $(UVFLAGS) --python $(BIN)/python --require-hashes -r requirements/run.txt
	@$(UV) pip install $(UVFLAGS) --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# Numba compares a compiled function with its own file alone, not with those that it calls: where any of them has
# changed, as after a pull, all are compiled anew.
COMPILED := models schemas workers
$(BIN)/.kernels: $(shell grep -rl --include='*.py' njit $(COMPILED)) | $(UV)
	@find $(COMPILED) -name '*.nb[ic]' -delete
	@touch $@

$(BIN)/.installed-dev: requirements/dev.txt pyproject.toml | $(UV)
	@$(UV) pip install $(UVFLAGS) --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@$(UV) pip install $(UVFLAGS) --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $(BIN)/.installed $@

$(BIN)/.installed-bench: requirements/bench.txt $(BIN)/.installed-dev | $(UV)
	@$(UV) pip install $(UVFLAGS) --python $(BIN)/python --require-hashes -r requirements/bench.txt
	@touch $@
