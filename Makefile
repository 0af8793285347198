# make audit     set up .venv, run the whole audit, print the verdicts     (PROFILE=slurm: on a cluster)
# make test      set up .venv, run all tests that need no GPU and no cluster
# make bench     time both programs on this machine
# make report    one HTML file about the last audit
# make clean     remove results and logs; .venv stays
#
# Variables: PYTHON (python3), PROFILE (default), NB_C_BIN (an instrumented nanoBragg to use in place of ours).

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help audit test bench report clean setup compiler

PYTHON ?= python3
PROFILE ?= default
CORES ?= all

# .venv is up to date when it holds a stamp of exactly these inputs: a changed pin, another python or a moved checkout
# makes a new one.
VENV := .venv
RUN := $(VENV)/bin/python
KEY = $(shell { cat envs/requirements.txt pyproject.toml; pwd; $(PYTHON) -VV; } 2>&1 | cksum | tr ' ' '-')
STAMP = $(VENV)/.ready-$(KEY)

SNAKEMAKE = $(RUN) -m snakemake --cores $(CORES)
ifneq ($(PROFILE),default)
SNAKEMAKE += --profile workflow/profiles/$(PROFILE)
endif

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

audit: compiler setup
	@$(SNAKEMAKE) --quiet host reason
	@$(RUN) workflow/scripts/show_summary.py

test: compiler setup
	@$(RUN) -m pytest -m "not cluster"

bench: compiler setup
	@$(SNAKEMAKE) --quiet all --forcerun benchmark_programs -- bench
	@cat results/bench/table.txt

report: setup
	@test -e results/audit/gate.json || { echo "error: nothing to report on yet; run make audit first" >&2; exit 2; }
	@$(RUN) -m snakemake --quiet all --report results/report.html
	@$(RUN) -m trace_audit.ledger seal >/dev/null
	@echo "results/report.html"

clean:
	@rm -rf build logs .snakemake
	@find results -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +

# ---- what the machine must have

compiler:
	@if [ -z "$${NB_C_BIN:-}" ] && ! command -v gcc >/dev/null; then \
	   echo "error: gcc not found, needed to build the reference; install it (Debian: apt install build-essential)," \
	        "or set NB_C_BIN to an instrumented nanoBragg" >&2; exit 2; fi

setup:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	   echo "error: $(PYTHON) is no python of version 3.11 or later; install one or name it: make PYTHON=python3.12" >&2; \
	   exit 2; }
	@stamp=$(STAMP); if [ -e "$$stamp" ]; then exit; fi; \
	 echo "Setting up $(VENV) from envs/requirements.txt (once; it downloads torch, which takes some minutes)"; \
	 rm -f $(VENV)/.ready-*; \
	 $(PYTHON) -m venv $(VENV) || { \
	   echo "error: $(PYTHON) cannot make $(VENV); install its venv module (Debian: apt install python3-venv)" >&2; exit 2; }; \
	 $(RUN) -m pip install --disable-pip-version-check -r envs/requirements.txt; \
	 $(RUN) -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .; \
	 touch "$$stamp"
