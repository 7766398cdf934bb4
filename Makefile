# The commands of developers; `make` lists them. Tools come from .venv, which is made from the hash-checked lock.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

# The interpreter of .venv: 3.11 or newer.
PYTHON3 ?= python3
# Another Kubernetes minor: 1.33 to 1.36. The default is the pinned one.
K8S_VERSION ?=
export K8S_VERSION
# A path for `make test`. The default is everything.
T ?=
ARGS ?=
# The duration of `make soak`.
MINUTES ?= 20
IMAGE ?= netbird-streaming-operator:dev

PYTHON := .venv/bin/python
VENV := .venv/.stamp
RUNTIME := .venv-runtime/.stamp
MUTATION := .venv-mutation/.stamp
SITE := .venv-docs/.stamp
PIP := $(PYTHON) -m pip install --quiet --disable-pip-version-check --progress-bar off
UV_COMPILE := .venv/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"
SCHEMA := .venv/bin/check-jsonschema --quiet --builtin-schema
# The input of ruff, mypy and vulture, without missing folders.
SOURCES := $(wildcard operator tests tools demo benchmarks deploy/image)
SUITES := unit contract simulation controlplane
PROOF := crashes simulation answers cluster upgrades bugs fuzz

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-zA-Z0-9_-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo '  T=tests/unit       with test: only that path'
	@echo '  K8S_VERSION=1.34   with demo, test, controlplane: another Kubernetes minor (1.33 to 1.36)'

.PHONY: venv
venv: $(VENV) ## Make .venv from the lock (fast if it is up to date)

# Depends on the lock only, because the tools' settings in pyproject.toml change often and install nothing.
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
runtime: $(RUNTIME) ## Make .venv-runtime: the Python and the dependencies of the image, for operators in tests

.PHONY: demo
demo: $(VENV) ## Run the demonstration on a local control plane (KEEP=1 leaves it running)
	@exec $(PYTHON) -m demo

.PHONY: test
ifneq ($(T),)
test: $(VENV) $(RUNTIME) ## Lint, types, imports, dead code, then every suite (T=path: only that path)
	@$(PYTHON) -m pytest $(T) $(ARGS)
else
test: $(VENV)
	@$(PYTHON) -m tools.steps lint types imports deadcode $(foreach suite,$(SUITES),test-$(suite))
endif

# CPU-bound suites use every core; unit tests end before a second worker has started. Control-plane tests mostly wait, so
# three files run at once, each worker with its own servers.
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
imports: $(VENV) ## Check the import contracts
	@.venv/bin/lint-imports

.PHONY: deadcode
deadcode: $(VENV) ## vulture: find unused code
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
crds: $(VENV) ## Write crds/ from the models, and the chart's copies of it
	@$(PYTHON) -m tools.crds
	@$(PYTHON) -m tools.chart
	@$(PYTHON) -m tools.plain_manifests

.PHONY: manifests
manifests: $(VENV) ## Write deploy/manifests/ from the chart, and Argo CD's ConfigMap and folders
	@$(PYTHON) -m tools.plain_manifests
	@$(PYTHON) -m tests.harness.gitops.argocd
	@$(PYTHON) -m tests.harness.gitops.customizations

.PHONY: recordings
recordings: $(VENV) ## Record resources in every state on a real API server
	@$(PYTHON) -m tests.harness.gitops.recordings
	@$(PYTHON) -m tests.harness.gitops.customizations

.PHONY: docs
docs: $(VENV) ## Write the reference, the tables of pages, and the chart's copies of the runbooks
	@$(PYTHON) -m tools.chart
	@$(PYTHON) -m tools.reason_docs
	@$(PYTHON) -m tools.assumption_docs
	@$(PYTHON) -m tools.metrics_docs
	@$(PYTHON) -m tools.chart_docs
	@$(PYTHON) -m tools.reference
	@$(PYTHON) -m tools.artifact_hub

.PHONY: docs-site
docs-site: $(SITE) ## Build the site of docs/ in .local/site/html, without a network; fails for a broken link
	@.venv-docs/bin/python -m tools.site

# The site's builder, and the script that draws the diagrams.
$(SITE): requirements/docs.lock tools/site/package-lock.json
	@$(PYTHON3) -m venv --clear .venv-docs
	@.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@cp tools/site/package.json tools/site/package-lock.json .venv-docs/
	@npm ci --prefix .venv-docs --silent --no-audit --no-fund --ignore-scripts
	@touch $@

.PHONY: bench
bench: $(VENV) $(RUNTIME) ## Measure speed and size (never a test)
	@.venv-runtime/bin/python -m compileall -q operator/netbird_streaming # as the image has it
	@exec $(PYTHON) -m benchmarks --python=.venv-runtime/bin/python $(ARGS)

# Exactly the shipped dependencies, because some libraries import more if developer tools are installed.
$(RUNTIME): requirements/runtime.lock Dockerfile | $(VENV)
	@image=$$($(PYTHON) -m tests.harness.interpreter) || { image=$(PYTHON); echo "operators are tested on $$($(PYTHON) -V) instead" >&2; }; \
		"$$image" -m venv --clear .venv-runtime
	@.venv-runtime/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@echo "$(CURDIR)/operator" > "$$(.venv-runtime/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/operator.pth"
	@touch $@

.PHONY: image
image: $(VENV) ## Build the container image with docker or podman (IMAGE=name:tag)
	@$(PYTHON) -m tools.image $(IMAGE)

# The image is built for both architectures, and installs only wheels.
.PHONY: wheels
wheels: $(VENV) ## Check that the lock has a wheel of each library for each architecture of the image
	@for platform in x86_64 aarch64; do \
		.venv/bin/uv pip install --quiet --dry-run --target .local/wheels --python-platform "$$platform-unknown-linux-gnu" \
			--python-version 3.13 --only-binary :all: --require-hashes --requirements requirements/runtime.lock; \
	done

.PHONY: e2e-setup
e2e-setup: $(VENV) ## Install and build the requirements of e2e (root, Debian)
	@$(PYTHON) -m tests.harness.node setup

.PHONY: e2e
e2e: $(VENV) ## Test the image and the chart on a real node: the harness's own, or kind's
	@$(PYTHON) -m pytest tests/e2e $(ARGS)

.PHONY: proof
proof: $(VENV) ## Check the promises with the suites that take longer than make test
	@$(PYTHON) -m tools.steps $(foreach part,$(PROOF),proof-$(part))

.PHONY: proof-crashes
proof-crashes: $(VENV) $(RUNTIME) ## Fail each request and event of each flow: lost, unanswered, late, or the last of its process
	@$(PYTHON) -m pytest tests/proof/crashes -v $(ARGS)

.PHONY: proof-answers
proof-answers: $(VENV) $(RUNTIME) ## Give each response to each NetBird call of each flow; check conditions and recovery
	@$(PYTHON) -m pytest tests/proof/answers -q $(ARGS)

# Seeds that make test does not run, for a given time. Nightly seeds are new each time.
.PHONY: proof-simulation
proof-simulation: $(VENV) ## Run seeds of the simulation for five minutes, other ones than make test
	@$(PYTHON) -m tests.simulation --first=10000 --seconds=300 $(ARGS)

.PHONY: nightly
nightly: $(VENV) ## Run new seeds until one fails (ARGS=--seconds=3600: for so long)
	@$(PYTHON) -m tests.simulation --fresh $(ARGS)

.PHONY: proof-bugs
proof-bugs: $(VENV) ## Seed reported bugs of other programs one at a time; a test has to catch each (ARGS=--slow: all)
	@$(PYTHON) -m tests.proof.bugs $(ARGS)

.PHONY: proof-cluster
proof-cluster: $(VENV) $(RUNTIME) ## Fail the API server, etcd, rights, admission and writes in a scenario with three resources
	@$(PYTHON) -m pytest tests/proof/cluster -v $(ARGS)

.PHONY: proof-upgrades
proof-upgrades: $(VENV) $(RUNTIME) ## Upgrade from former commits and roll back, with a create in flight
	@$(PYTHON) -m pytest tests/proof/upgrades -v $(ARGS)

.PHONY: soak
soak: $(VENV) $(RUNTIME) ## Run the operator under steady changes; memory, files and log must not grow (MINUTES=60)
	@$(PYTHON) -m tests.proof.soak --minutes=$(MINUTES)

.PHONY: proof-fuzz
proof-fuzz: $(VENV) ## Fuzz all parsers for two minutes, guided by coverage (ARGS="resource --seconds=600")
	@$(PYTHON) -m tests.proof.fuzz $(ARGS)

.PHONY: mutation
mutation: $(MUTATION) ## Change core/ in every small way, and list the changes that no test catches (an hour)
	@$(PYTHON) -m tests.proof.mutation $(ARGS)

# mutmut has many dependencies of its own. Those of the tests are in .venv.
$(MUTATION): requirements/mutation.lock | $(VENV)
	@$(PYTHON) -m venv --clear .venv-mutation
	@.venv-mutation/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@$(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
		> "$$(.venv-mutation/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/tests.pth"
	@touch $@

.PHONY: monitoring
monitoring: $(VENV) $(RUNTIME) ## Test the alerts with promtool, and with a real Prometheus during incidents
	@$(PYTHON) -m pytest tests/monitoring --numprocesses=3 --dist=loadfile $(ARGS)

.PHONY: gitops
gitops: $(VENV) $(RUNTIME) ## Flux's and Argo CD's own controllers apply the GitOps example, and judge each situation
	@$(PYTHON) -m pytest tests/gitops -o faulthandler_timeout=600 $(ARGS)

.PHONY: lock
lock: $(VENV) ## Renew requirements/*.lock (ARGS=--upgrade for newer versions)
	@$(UV_COMPILE) $(ARGS) pyproject.toml --output-file requirements/runtime.lock
	@$(UV_COMPILE) $(ARGS) pyproject.toml --group dev --constraint requirements/runtime.lock --output-file requirements/dev.lock
	@$(UV_COMPILE) $(ARGS) --group mutation --output-file requirements/mutation.lock
	@$(UV_COMPILE) $(ARGS) --group docs --output-file requirements/docs.lock

.PHONY: clean
clean: ## Remove .venv, caches and a running control plane (the cache of programs stays)
	@[ ! -x $(PYTHON) ] || $(PYTHON) -m tests.harness.controlplane stop
	@rm -rf .venv .venv-runtime .venv-mutation .venv-docs .local .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	@find operator tests tools demo -name __pycache__ -type d -prune -exec rm -rf {} +
