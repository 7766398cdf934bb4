# Everything that a developer runs; `make` lists it. Tools come from .venv, which is made from the hash-checked lock.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

# Which interpreter makes .venv; any from 3.11 on.
PYTHON3 ?= python3
# Another Kubernetes minor: 1.33 to 1.36; the pinned one without it.
K8S_VERSION ?=
export K8S_VERSION
# One path for `make test`, instead of everything.
T ?=
ARGS ?=
IMAGE ?= netbird-streaming-operator:dev

PYTHON := .venv/bin/python
VENV := .venv/.stamp
RUNTIME := .venv-runtime/.stamp
MUTATION := .venv-mutation/.stamp
PIP := $(PYTHON) -m pip install --quiet --disable-pip-version-check --progress-bar off
UV_COMPILE := .venv/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"
SCHEMA := .venv/bin/check-jsonschema --quiet --builtin-schema
# What ruff, mypy and vulture look at; folders that are not there yet are left out.
SOURCES := $(wildcard operator tests tools demo benchmarks deploy/image)
SUITES := unit contract simulation controlplane
PROOF := crashes simulation answers cluster bugs fuzz

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-zA-Z0-9_-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo '  T=tests/unit       with test: only that path'
	@echo '  K8S_VERSION=1.34   with demo, test, controlplane: another Kubernetes minor (1.33 to 1.36)'

.PHONY: venv
venv: $(VENV) ## Make .venv from the lock (quick when it is current)

# Only the lock makes it anew: the tools' settings in pyproject.toml change often and install nothing.
$(VENV): requirements/dev.lock
	@$(PYTHON3) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON3) is too old or absent: Python 3.11 or newer is needed; name one with make PYTHON3=python3.12" >&2; exit 1; }
	@echo "making .venv from requirements/dev.lock …"
	@$(PYTHON) -c '' 2>/dev/null || $(PYTHON3) -m venv --clear .venv \
		|| { echo "$(PYTHON3) -m venv failed: install the venv module (Debian: apt install python3-venv)" >&2; exit 1; }
	@$(PIP) --require-hashes -r requirements/dev.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: runtime
runtime: $(RUNTIME) ## Make .venv-runtime: the Python and the dependencies of the image, which tests start operators with

.PHONY: demo
demo: $(VENV) ## Show the whole thing on a local control plane (KEEP=1 leaves it up)
	@exec $(PYTHON) -m demo

.PHONY: test
ifneq ($(T),)
test: $(VENV) $(RUNTIME) ## Lint, types, imports, dead code, then every suite (T=path: only that path)
	@$(PYTHON) -m pytest $(T) $(ARGS)
else
test: $(VENV)
	@$(PYTHON) -m tools.steps lint types imports deadcode $(foreach suite,$(SUITES),test-$(suite))
endif

# What is bound by the processor takes every core; units are done before a second worker has started. What runs against a
# control plane mostly waits, so three files run at once, each worker with servers of its own.
.PHONY: test-unit test-contract test-simulation test-controlplane
test-unit: $(VENV)
	@$(PYTHON) -m pytest tests/unit
test-contract test-simulation: test-%: $(VENV) $(RUNTIME)
	@$(PYTHON) -m pytest tests/$* --numprocesses=auto --max-worker-restart=0
test-controlplane: $(VENV) $(RUNTIME)
	@$(PYTHON) -m pytest tests/controlplane --numprocesses=3 --dist=loadfile --max-worker-restart=0

.PHONY: lint
lint: $(VENV) ## Ruff: rules and formatting; hadolint: the Dockerfile; zizmor, schemas, shellcheck: CI's files
	@.venv/bin/ruff check $(SOURCES)
	@.venv/bin/ruff format --check $(SOURCES)
	@.venv/bin/hadolint Dockerfile
	@.venv/bin/zizmor --offline --quiet --no-progress --strict-collection --persona=auditor .github
	@$(SCHEMA) vendor.github-workflows .github/workflows/*.yaml
	@$(SCHEMA) custom.github-workflows-require-timeout .github/workflows/*.yaml
	@$(SCHEMA) vendor.dependabot .github/dependabot.yaml
	@.venv/bin/shellcheck .ci/run

.PHONY: types
types: $(VENV) ## mypy --strict
	@.venv/bin/mypy

.PHONY: imports
imports: $(VENV) ## The import contracts: who may know whom
	@.venv/bin/lint-imports

.PHONY: deadcode
deadcode: $(VENV) ## vulture: what nothing uses
	@.venv/bin/vulture

.PHONY: format
format: $(VENV) ## Format, and fix what ruff can fix
	@.venv/bin/ruff check --fix-only $(SOURCES)
	@.venv/bin/ruff format $(SOURCES)

.PHONY: run
run: $(VENV) ## Run the operator against the current context (ARGS="…", see ARGS=--help)
	@exec $(PYTHON) -m netbird_streaming run $(ARGS)

.PHONY: install
install: $(VENV) ## Apply the CRDs to the current context
	@"$$($(PYTHON) -m tests.harness.controlplane which kubectl)" apply --server-side -f crds/

.PHONY: controlplane
controlplane: $(VENV) ## Start a local control plane and leave it running
	@$(PYTHON) -m tests.harness.controlplane start

.PHONY: controlplane-stop
controlplane-stop: $(VENV) ## Stop it
	@$(PYTHON) -m tests.harness.controlplane stop

.PHONY: crds
crds: $(VENV) ## Write crds/ anew from the models, and the chart's copies of it
	@$(PYTHON) -m tools.crds
	@$(PYTHON) -m tools.chart
	@$(PYTHON) -m tools.plain_manifests

.PHONY: manifests
manifests: $(VENV) ## Write deploy/manifests/ anew from the chart, and Argo CD's ConfigMap
	@$(PYTHON) -m tools.plain_manifests
	@$(PYTHON) -m tests.harness.gitops.argocd

.PHONY: recordings
recordings: $(VENV) ## Record anew how resources look on a real API server in every situation
	@$(PYTHON) -m tests.harness.gitops.recordings

.PHONY: docs
docs: $(VENV) ## Write the reference, and the tables of pages, from the code
	@$(PYTHON) -m tools.reason_docs
	@$(PYTHON) -m tools.metrics_docs
	@$(PYTHON) -m tools.chart_docs
	@$(PYTHON) -m tools.reference

.PHONY: bench
bench: $(VENV) $(RUNTIME) ## Measure speed and size (never a test)
	@.venv-runtime/bin/python -m compileall -q operator/netbird_streaming # as the image has it
	@exec $(PYTHON) -m benchmarks --python=.venv-runtime/bin/python $(ARGS)

# What ships and nothing else: some libraries import more where a developer's tools have installed more.
$(RUNTIME): requirements/runtime.lock Dockerfile | $(VENV)
	@image=$$($(PYTHON) -m tests.harness.interpreter) || { image=$(PYTHON); echo "operators are tested on $$($(PYTHON) -V) instead" >&2; }; \
		"$$image" -m venv --clear .venv-runtime
	@.venv-runtime/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@echo "$(CURDIR)/operator" > "$$(.venv-runtime/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/operator.pth"
	@touch $@

.PHONY: image
image: $(VENV) ## Build the container image (docker or podman, whichever answers; IMAGE=name:tag)
	@$(PYTHON) -m tools.image $(IMAGE)

# The image is built for both, and installs wheels only.
.PHONY: wheels
wheels: $(VENV) ## See that the lock has a wheel of each library for each architecture of the image
	@for platform in x86_64 aarch64; do \
		.venv/bin/uv pip install --quiet --dry-run --target .local/wheels --python-platform "$$platform-unknown-linux-gnu" \
			--python-version 3.13 --only-binary :all: --require-hashes --requirements requirements/runtime.lock; \
	done

.PHONY: e2e-setup
e2e-setup: $(VENV) ## Install and build what e2e needs (root, Debian)
	@$(PYTHON) -m tests.harness.node setup

.PHONY: e2e
e2e: $(VENV) ## The image and the chart on a real node: one of its own, or kind's
	@$(PYTHON) -m pytest tests/e2e $(ARGS)

.PHONY: proof
proof: $(VENV) ## The promises, tried harder than make test has time for
	@$(PYTHON) -m tools.steps $(foreach part,$(PROOF),proof-$(part))

.PHONY: proof-crashes
proof-crashes: $(VENV) $(RUNTIME) ## Every point of every flow: lost, unanswered, late, or the last of its process
	@$(PYTHON) -m pytest tests/proof/crashes -v $(ARGS)

.PHONY: proof-answers
proof-answers: $(VENV) $(RUNTIME) ## Every answer of NetBird's to every call of every flow: what users read, and that it heals
	@$(PYTHON) -m pytest tests/proof/answers -q $(ARGS)

# Seeds that make test has not run, as many as the time gives. Nightly ones are new each time.
.PHONY: proof-simulation
proof-simulation: $(VENV) ## Five minutes of seeds of the simulation, those of make test not among them
	@$(PYTHON) -m tests.simulation --first=10000 --seconds=300 $(ARGS)

.PHONY: nightly
nightly: $(VENV) ## Seeds that nobody has tried, until one fails (ARGS=--seconds=3600: for so long)
	@$(PYTHON) -m tests.simulation --fresh $(ARGS)

.PHONY: proof-bugs
proof-bugs: $(VENV) ## Bugs that others have had, seeded one at a time: a test catches each (ARGS=--slow: all of them)
	@$(PYTHON) -m tests.proof.bugs $(ARGS)

.PHONY: proof-cluster
proof-cluster: $(VENV) $(RUNTIME) ## The API server, etcd, rights, admission and other writers fail a life with three resources
	@$(PYTHON) -m pytest tests/proof/cluster -v $(ARGS)

.PHONY: proof-fuzz
proof-fuzz: $(VENV) ## Two minutes of a coverage-guided fuzzer on everything that parses (ARGS="resource --seconds=600")
	@$(PYTHON) -m tests.proof.fuzz $(ARGS)

.PHONY: mutation
mutation: $(MUTATION) ## Change core/ in every small way, and see which changes no test notices (an hour)
	@$(PYTHON) -m tests.proof.mutation $(ARGS)

# mutmut brings much that nothing else needs; what the tests need it finds in .venv.
$(MUTATION): requirements/mutation.lock | $(VENV)
	@$(PYTHON) -m venv --clear .venv-mutation
	@.venv-mutation/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@$(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
		> "$$(.venv-mutation/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/tests.pth"
	@touch $@

.PHONY: monitoring
monitoring: $(VENV) $(RUNTIME) ## The alerts under promtool, and under a real Prometheus while incidents last
	@$(PYTHON) -m pytest tests/monitoring --numprocesses=3 --dist=loadfile $(ARGS)

.PHONY: lock
lock: $(VENV) ## Renew requirements/*.lock (ARGS=--upgrade for newer versions)
	@$(UV_COMPILE) $(ARGS) pyproject.toml --output-file requirements/runtime.lock
	@$(UV_COMPILE) $(ARGS) pyproject.toml --group dev --constraint requirements/runtime.lock --output-file requirements/dev.lock
	@$(UV_COMPILE) $(ARGS) --group mutation --output-file requirements/mutation.lock

.PHONY: clean
clean: ## Remove what was made here: .venv, caches, a running control plane (the binaries' cache stays)
	@[ ! -x $(PYTHON) ] || $(PYTHON) -m tests.harness.controlplane stop
	@rm -rf .venv .venv-runtime .venv-mutation .local .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	@find operator tests tools demo -name __pycache__ -type d -prune -exec rm -rf {} +
