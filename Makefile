# Everything a developer or CI calls. Each target installs what it needs, on Debian as root.
.PHONY: help demo check test image lint bench torture lock clean
.DEFAULT_GOAL := help

VENV := .venv
PYTHON := $(VENV)/bin/python
INSTALLED := $(VENV)/installed
SHELL_SCRIPTS := entrypoint.sh .ci/run examples/experiment/mean $(wildcard image/*.sh examples/*.sh tests/*.sh bench/*.sh)

help:
	@echo "make demo    move a file from a real web server through the image, and back"
	@echo "make check   lint, types and the quick tests that need no server: a minute, for every save"
	@echo "make test    lint, and all tests, with real servers and the image"
	@echo "make image   red-connectors:latest; works without a registry too"
	@echo "make lint    ruff, mypy, shellcheck, hadolint"
	@echo "make bench   compare with curl, wget, aria2c, rclone, OpenSSH, rsync, xnatpy and the existing connectors"
	@echo "make torture random faults of every kind against every connector; COUNT=10000, SEED=5"
	@echo "make lock    write requirements*.txt anew from requirements*.in"
	@echo "make clean   remove what the other targets have left here"

demo:
	@examples/demo.sh

image:
	@image/build.sh

check: lint
	$(PYTHON) -m pytest -q -n 2 --dist worksteal -m "not server and not slow" $(PYTEST)

test: lint
	@tests/install-servers.sh || true  # what is missing is skipped loudly, or fails under RED_TEST_REQUIRE
	$(PYTHON) -m pytest -n 2 --dist loadfile $(PYTEST)

lint: $(INSTALLED)
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(VENV)/bin/shellcheck $(SHELL_SCRIPTS)
	$(VENV)/bin/hadolint Dockerfile

bench: $(INSTALLED)
	$(PYTHON) -m bench

COUNT := 2000
torture: $(INSTALLED)
	@tests/install-servers.sh || true  # what is missing is not tried
	$(PYTHON) -m torture --write --count $(COUNT) $(if $(SEED),--seed $(SEED))

# Every version for every Python from 3.11 on, with the hashes of all its files; no trace of where they were found.
LOCK := $(VENV)/bin/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes --upgrade \
	--custom-compile-command "make lock"
lock: $(INSTALLED)
	for name in requirements requirements-dev requirements-agent requirements-xnat requirements-bench; do \
		env -u PIP_FIND_LINKS $(LOCK) --output-file $$name.txt $$name.in || exit; done

# The environment is made anew, never mended, when the locked libraries change.
$(INSTALLED): requirements.txt requirements-dev.txt image/venv.sh
	@image/venv.sh $(VENV) requirements.txt requirements-dev.txt
	@touch $@

clean:
	rm -rf $(VENV) .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache demo-output
	find . -name __pycache__ -prune -exec rm -rf {} +
