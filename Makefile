# `make run` serves the app, `make test` checks it; both set up what they need in .venv first.
VENV ?= .venv
PYTHON ?= python3
PIP = $(VENV)/bin/pip --disable-pip-version-check
PLATE_FONTS = fonts-roadgeek fonts-opendin fonts-osifont fonts-routed-gothic fonts-bebas-neue

.PHONY: run test train-nano clean
run: $(VENV)/.app
	$(VENV)/bin/python app.py

test: $(VENV)/.tests system-packages
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest

# Trains the shipped checkpoint again from the data folder; goes on where it was stopped.
train-nano: $(VENV)/.app fleet/drawn.parquet plate-fonts
	$(PIP) install -q -r data_tools/requirements-teachers.txt
	$(VENV)/bin/python -m data_tools train --config nano --data ../shared/data --data fleet --run runs/nano --cache cache
	$(VENV)/bin/python -m data_tools export --run runs/nano --output checkpoints/vehicledino-nano --data ../shared/data --version 0.8.1
	$(VENV)/bin/python -m data_tools train-reader --data ../shared/data --run runs/reader --cache cache
	$(VENV)/bin/python -m data_tools train-corners --data ../shared/data --run runs/corners --cache cache

# Blender has an environment of its own: it wants other versions of what the app needs.
fleet/drawn.parquet:
	$(PYTHON) -m venv .blender
	.blender/bin/pip install -q -r data_tools/render/requirements.txt
	.blender/bin/python -m data_tools render --preset train --sets 16 --output fleet

$(VENV)/bin/python:
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || sh tests/system_packages.sh python3-venv
	$(PYTHON) -m venv $(VENV)

$(VENV)/.app: requirements.txt | $(VENV)/bin/python
	$(PIP) install -q -r requirements.txt
	@touch $@

$(VENV)/.tests: tests/requirements.txt $(VENV)/.app
	$(PIP) install -q -r tests/requirements.txt
	@touch $@

# Plates to learn reading from are drawn in these.
.PHONY: plate-fonts
plate-fonts:
	@test -d /usr/share/fonts/truetype/roadgeek || sh tests/system_packages.sh $(PLATE_FONTS)

.PHONY: system-packages
system-packages: plate-fonts
	@command -v chromium >/dev/null || sh tests/system_packages.sh chromium fonts-dejavu-core
	@# Without npm the tests of recognition in the browser are skipped, without that database those of it.
	@command -v npm >/dev/null || sh tests/system_packages.sh npm || true
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || sh tests/system_packages.sh postgresql || true

clean:
	rm -rf $(VENV)
