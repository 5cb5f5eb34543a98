# Two commands set up a fresh machine that has python3 >= 3.11 and make: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ROOMS := data gan segment
DATA ?=
FAULTS ?=

.PHONY: demo test lint types pytest fuzz torture interop bench results pictures cli-docs clean
.DELETE_ON_ERROR:

demo: $(VENV)/.installed  ## the whole main job on computer-made demo parts, ends with the scores and a report
	$(BIN)/flawsmith demo -o runs/demo

test: lint types pytest  ## what CI runs

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# mypy does not follow setuptools' import hook, so it gets a folder of symlinks in which the package has its real name.
types: $(VENV)/.installed-dev
	rm -rf build/types && mkdir -p build/types/flawsmith
	for room in $(ROOMS) cli.py; do ln -s ../../../$$room build/types/flawsmith/$$room; done
	$(BIN)/mypy -p flawsmith

# Two processes of one thread each: two OpenMP threads collapse when another process takes one of two cores.
pytest: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

fuzz: $(VENV)/.installed-dev  ## 10,000 broken and hostile files of all formats: no crash, no hang, nothing uncaught
	OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz.py --count 10000 --workers 2

torture: $(VENV)/.installed-dev  ## kills, full disks, damaged checkpoints: the table of docs/reliability.md
	$(BIN)/python tests/torture.py $(FAULTS)

# Other libraries' versions are their own affair, hence an environment apart; what would draw in torch comes without it.
interop: setup.cfg  ## what independent libraries read of what is written, and the other way: docs/interop.md
	$(PYTHON) -m venv .venv-interop
	.venv-interop/bin/python -m pip install --disable-pip-version-check \
		datumaro supervision label-studio-sdk webdataset datasets scipy scikit-image tifffile loguru imgviz
	.venv-interop/bin/python -m pip install --disable-pip-version-check --no-deps labelme ultralytics -e .
	.venv-interop/bin/python tests/interop.py

bench: $(VENV)/.installed  ## speed and memory against their goals: make bench [DATA="folder --classes a,b"]
	$(BIN)/python -m pip install --disable-pip-version-check -e ".[bench]"
	$(BIN)/python docs/speed.py $(DATA)
	$(BIN)/python docs/bench.py $(DATA)
	$(BIN)/python docs/models_speed.py $(DATA)
	$(BIN)/python docs/scale.py

results: $(VENV)/.installed  ## the figures of docs/results.md, on real parts
	$(BIN)/python docs/results.py $(DATA)

pictures: demo  ## the pictures of README.md and docs/
	$(BIN)/python docs/pictures.py runs/demo

cli-docs: $(VENV)/.installed  ## docs/cli.md from --help
	$(BIN)/python docs/make_cli.py

# A stale build/lib would be copied into the wheel, hence the rm. The stamp comes last: an interrupted install starts anew.
$(VENV)/.installed: setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "flawsmith needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	rm -rf build/lib
	$(BIN)/python -m pip install --disable-pip-version-check -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --disable-pip-version-check -e ".[dev]"
	touch $@

clean:  ## everything that a command can make again, the environment included; runs/ stays
	rm -rf $(VENV) .venv-interop build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find $(ROOMS) docs tests -name __pycache__ -prune -exec rm -rf {} +
