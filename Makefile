# Audit
#   make audit     set up .venv, run the whole audit, print the verdicts     (PROFILE=slurm: on a cluster)
#   make audit-selftest   put a small error into each stage of torch and see that the audit names that stage
#   make audit-untraced  audit by its image the program NB_C_BIN that prints no trace (SCENARIO=supervisor)
#   make parity    compare whole images of both programs, every scenario (some minutes)
#   make fuzz      damaged files for every reader of both programs and of the audit (ten minutes: FUZZ_SECONDS=600)
#   make gradients-fuzz   derivatives of 400 random experiments on every path, against differences and the C program
#
# Simulate
#   make campaign  simulate the frames of `campaign` in config/config.yaml, audit a sample, join them in one file
#   make matrix    one experiment by every compiler, option, backend, type and device that is there (some minutes)
#   make bench     time both programs on this machine, and their memory (a quarter of an hour; some parts: PARTS=kernel,gpu)
#
# Results
#   make report    one HTML file about the last audit, results/report/index.html
#   make trend     parity and speed over commits: adds this commit, draws results/trend/index.html (a minute)
#   make crate     the last audits as an RO-Crate, results/report/crate.zip      (LICENCE=https://... if there is one)
#   make crate-check  validate it with roc-validator, in an environment of its own, .venv-roc
#
# Checks of the programs
#   make test      set up .venv, run all tests that need no GPU and no cluster
#   make test-cluster   start a real Slurm on this machine, run the audit through it, break it (root, slurm-wlm, munge)
#   make independent   compare both programs with the independent model of the tests on 400 command lines (some minutes)
#   make test-workflow   the workflow as its catalogue tests it: the small config of .test/ (a minute)
#   make package-check  build sdist and wheel, install them in an empty environment, use all of it (half a minute)
#   make chaos     kill runs at KILLS=100 random moments and break their surroundings; a table in results/report/chaos.txt
#
# Documents
#   make docs      this site: build/site/index.html, in an environment of its own, .venv-docs; notebooks are run
#   make docs-check   run every command of the tutorials, in a copy (some minutes)
#   make pictures  draw the pictures of the README and the site anew (docs/pictures)
#
# This folder
#   make doctor    what this machine has, what each missing thing costs, what to type
#   make setup     set up .venv alone   (TORCH=cpu or TORCH=cuda: which build of torch; else what suits this machine)
#   make lock      pin every package again after a change of envs/requirements.txt   (UPGRADE=1: at the newest versions)
#   make clean     remove results (but results/trend) and logs; .venv, .venv-roc and .venv-docs stay
#
# Variables: PYTHON (python3), PROFILE (default), TORCH, NB_C_BIN (an instrumented nanoBragg to use in place of ours),
#   VERBOSE (1: all messages of a run on the terminal; else one line, and all of it in logs/workflow.log).

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help doctor fuzz gradients-fuzz audit audit-selftest audit-untraced test test-cluster parity independent bench matrix campaign report trend crate crate-check chaos clean setup lock test-workflow package-check docs docs-check pictures compiler

PYTHON ?= python3
PROFILE ?= default
CORES ?= all
KILLS ?= 100

# .venv is up to date when it holds a stamp of exactly these inputs: a changed pin, another python or a moved checkout
# makes a new one. The stamp holds the name of torch's build, which TORCH changes; without TORCH it stays.
VENV := .venv
RUN := $(VENV)/bin/python
key = $(shell { cat $(1); pwd; $(PYTHON) -VV; } 2>&1 | cksum | tr ' ' '-')
STAMP = $(VENV)/.ready-$(call key,envs/lock/[stuw]*.txt envs/install.py pyproject.toml)
TORCH ?=

# Clears away what a killed run left behind, and keeps a second run out of this folder.
RUNNER = $(RUN) -m trace_audit.workflow.run
WORDS = --cores $(CORES)
ifneq ($(PROFILE),default)
WORDS += --profile workflow/profiles/$(PROFILE)
endif
SNAKEMAKE = $(RUNNER) --brief $(WORDS)

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

doctor: setup
	@$(RUN) -m trace_audit doctor

audit: compiler setup
	@$(RUNNER) --until-done --brief $(WORDS) --quiet host reason
	@$(RUN) workflow/scripts/show_summary.py

test: compiler setup
	@echo "All tests: about 11 minutes on two cores, less on more."
	@$(RUN) -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not cluster" -rs

test-cluster: compiler
	@$(PYTHON) -m tests.cluster --check
	@$(MAKE) setup
	@$(RUN) -m pytest -m cluster -n 2 --dist loadfile --durations=15 tests/cluster

FUZZ_SECONDS ?= 600
fuzz: compiler setup
	@$(MAKE) --silent -C src/nanobragg_c BUILD=$(CURDIR)/build/nanobragg_c all
	@NB_FUZZ_C=$(CURDIR)/build/nanobragg_c/nanobragg OMP_NUM_THREADS=1 $(RUN) -m tests.fuzz.audit_readers --seconds $(FUZZ_SECONDS)

GRADIENT_SEEDS ?= 400
GRADIENT_JOBS ?= auto
gradients-fuzz: compiler setup
	@NB_GRADIENT_SEEDS=$(GRADIENT_SEEDS) $(RUN) -m pytest -n $(GRADIENT_JOBS) --dist load \
	    -o junit_family=xunit1 --junit-xml build/gradients_fuzz.xml tests/gradients/test_random_experiments.py || failed=1; \
	    $(RUN) -m tests.gradients.fuzz_numbers build/gradients_fuzz.xml; exit $${failed:-0}

parity: compiler setup
	@$(RUNNER) --until-done --brief $(WORDS) --quiet host reason -- parity
	@cat results/audit/image_summary.txt

independent: compiler setup
	@NB_RUN_PARALLEL=1 $(RUN) -m pytest -n auto --dist loadfile tests/physics/test_independent_model.py

audit-selftest: compiler setup
	@$(MAKE) --silent -C src/nanobragg_c BUILD=$(CURDIR)/build/nanobragg_c all
	@$(RUN) -m trace_audit.selftest --binary build/nanobragg_c/nanobragg --out results/selftest
	@if [ -e results/audit/ledger ]; then $(RUN) -m trace_audit.ledger seal >/dev/null; fi
	@echo "results/selftest/selftest.md"

SCENARIO ?= supervisor
audit-untraced: setup
	@test -n "$${NB_C_BIN:-}" || { echo "error: name the program to audit: NB_C_BIN=/path/nanoBragg make audit-untraced" >&2; exit 2; }
	@$(MAKE) --silent -C src/nanobragg_c BUILD=$(CURDIR)/build/nanobragg_c all
	@$(RUN) -m trace_audit.port --candidate "{binary: '$$NB_C_BIN'}" \
	   --reference '{name: C, binary: build/nanobragg_c/nanobragg}' --config $(SCENARIO) --out results/untraced/$(SCENARIO)

bench: compiler setup
	@$(SNAKEMAKE) --quiet host reason --forcerun bench_measure \
	   $(if $(PARTS),--config 'bench={"parts": [$(PARTS)]}') -- bench
	@if [ -e results/audit/ledger ]; then $(RUN) -m trace_audit.ledger seal >/dev/null; fi
	@cat results/bench/table.txt

matrix: compiler setup
	@$(SNAKEMAKE) --quiet host reason --forcerun matrix_cells -- matrix
	@if [ -e results/audit/ledger ]; then $(RUN) -m trace_audit.ledger seal >/dev/null; fi
	@cat results/matrix/*/matrix.md

campaign: compiler setup
	@$(RUNNER) --until-done --brief $(WORDS) --quiet host reason -- campaign
	@$(RUN) workflow/scripts/show_campaign.py

# What the audits ran is on record; neither NB_C_BIN nor the reference of the config counts.
report: export TRACE_AUDIT_OF_RECORD := 1
report: setup
	@test -e results/audit/ledger || { echo "error: nothing to report on yet; run make audit first" >&2; exit 2; }
	@$(SNAKEMAKE) --quiet all --forcerun page --allowed-rules patch overview page -- results/report/index.html
	@if [ -e results/audit/gate.json ]; then $(RUNNER) --quiet all --report results/report/snakemake.html || \
	   echo "results/report/snakemake.html was not made: a file that the audits used is gone; snakemake -n says which"; fi
	@$(RUN) -m trace_audit.ledger seal >/dev/null
	@echo "results/report/index.html"

chaos: compiler setup
	@$(RUN) -m trace_audit.chaos --kills $(KILLS) --out results/report/chaos.txt
	@if [ -e results/audit/ledger ]; then $(RUN) -m trace_audit.ledger seal >/dev/null; fi

test-workflow: compiler setup
	@rm -rf .test/results .test/logs
	@$(RUN) -m snakemake --directory .test --cores $(CORES) --quiet all
	@cat .test/results/audit/summary.txt

package-check: compiler setup
	@$(RUN) tests/packaging/check_package.py

trend: compiler setup
	@$(MAKE) --silent -C src/nanobragg_c BUILD=$(CURDIR)/build/nanobragg_c all
	@test -e results/audit/ledger || { echo "error: nothing on record yet; run make audit first" >&2; exit 2; }
	@$(RUN) -m nanobrag_bench.trend --binary build/nanobragg_c/nanobragg
	@$(RUN) -m trace_audit.ledger seal >/dev/null

crate: setup
	@$(RUN) -m trace_audit.statements >/dev/null
	@$(RUN) -m trace_audit.sbom >/dev/null
	@$(RUN) -m trace_audit.ledger seal >/dev/null
	@$(RUN) -m trace_audit.crate --out results/report/crate.zip $(if $(LICENCE),--licence '$(LICENCE)')
	@$(RUN) -m trace_audit.ledger seal >/dev/null

# The validator needs other versions of what the audit needs.
ROC := .venv-roc
ROC_STAMP = $(ROC)/.ready-$(call key,envs/lock/roc-validator.txt envs/install.py)
crate-check: setup
	@test -e results/report/crate.zip || { echo "error: no crate yet; run make crate first" >&2; exit 2; }
	@if [ ! -e $(ROC_STAMP) ]; then \
	   echo "Setting up $(ROC) for the validator (once)"; \
	   rm -rf $(ROC); $(PYTHON) -m venv $(ROC); \
	   $(ROC)/bin/python envs/install.py --stamp $(ROC_STAMP) --part roc-validator; fi
	@$(ROC)/bin/python workflow/scripts/validate_crate.py results/report/crate.zip \
	   --context "$$($(RUN) -c 'import pathlib, rocrate; print(pathlib.Path(rocrate.__file__).parent)')/data/ro-crate.jsonld"

# The site's tools are in front, .venv behind them: notebooks import torch from there.
DOCS := .venv-docs
DOCS_STAMP = $(DOCS)/.ready-$(call key,envs/lock/docs.txt envs/install.py)
docs: setup
	@if [ ! -e $(DOCS_STAMP) ]; then \
	   echo "Setting up $(DOCS) for the site (once)"; \
	   rm -rf $(DOCS); $(PYTHON) -m venv $(DOCS); \
	   { $(DOCS)/bin/python envs/install.py --stamp $(DOCS_STAMP) --part docs \
	     && $(RUN) workflow/scripts/join_environments.py $(DOCS)/bin/python; } || { rm -f $(DOCS_STAMP); exit 2; }; fi
	@mkdir -p logs/docs
	@NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/python -m mkdocs build --quiet --strict --clean 2> logs/docs/docs.log || { \
	   cat logs/docs/docs.log >&2; exit 1; }
	@$(RUN) workflow/scripts/check_site.py build/site
	@echo "build/site/index.html"

# A page is drawn as it is; make report makes it.
pictures: compiler setup
	@test -e results/report/index.html || { echo "error: no report to draw yet; run make audit report first" >&2; exit 2; }
	@$(SNAKEMAKE) --quiet host reason --rerun-triggers mtime --forcerun picture_pattern picture_report \
	   picture_traces --allowed-rules pictures picture_pattern picture_report picture_traces picture_failure c_image \
	   -- pictures
	@if [ -e results/audit/ledger ]; then $(RUN) -m trace_audit.ledger seal >/dev/null; fi

docs-check: compiler setup
	@NB_DOCS_CHECK=1 $(RUN) -m pytest tests/docs/test_tutorials.py

clean:
	@rm -rf build logs .snakemake .test/results .test/logs .test/.snakemake
	@find results -mindepth 1 -maxdepth 1 ! -name README.md ! -name trend -exec rm -rf {} +

# ---- what the machine must have

compiler:
	@if [ -z "$${NB_C_BIN:-}" ] && ! command -v gcc >/dev/null; then \
	   echo "error: gcc not found, needed to build the reference; install it (Debian: apt install build-essential)," \
	        "or set NB_C_BIN to an instrumented nanoBragg" >&2; exit 2; fi

setup:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	   test $$? -ne 130 || exit 130; \
	   echo "error: $(PYTHON) is no python of version 3.11 or later; install one or name it: make PYTHON=python3.12" >&2; \
	   exit 2; }
	@case "$(TORCH)" in ""|cpu|cuda) ;; *) \
	   echo "error: TORCH=$(TORCH): it is cpu or cuda, or is left out: the build that suits this machine" >&2; exit 2;; esac
	@stamp=$(STAMP); \
	 if [ -e "$$stamp" ] && { [ -z "$(TORCH)" ] || [ "$$(cat "$$stamp")" = "$(TORCH)" ]; }; then exit; fi; \
	 echo "Setting up $(VENV) from envs/lock (once)"; \
	 rm -f $(VENV)/.ready-*; \
	 $(PYTHON) -m venv $(VENV) || { \
	   echo "error: $(PYTHON) cannot make $(VENV); install its venv module (Debian: apt install python3-venv)" >&2; exit 2; }; \
	 $(RUN) envs/install.py --stamp "$$stamp" --torch "$(TORCH)"

lock: setup
	@$(RUN) envs/make_lock.py $(if $(UPGRADE),--upgrade)
