# All targets; `make help` lists them. The only requirement is python3 with venv.

PYTHON ?= python3
# One more than two cores: a test on the control plane waits for half of its time.
JOBS ?= 3
COMMITS ?= 200
WALKS ?= 20

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
EXAMPLE := examples/embedding-server
CHAT := examples/chat-server
STAND_INS := $(patsubst %/,%,$(wildcard tests/cluster/catalogue/images/*/))
SITE := .cache/docs-site
UV := .cache/uv/bin/uv
KIND ?= kind
KIND_IMAGE ?=
VERSIONS := 1.30.14
KIND_CLUSTER := model-operator
KIND_KUBECONFIG := .cache/kind/kubeconfig
OPERATOR_IMAGE := docker.io/library/model-operator:0.1.0
MODEL_IMAGE := docker.io/modeloperator/embedding-server:0.1.0
CHAT_IMAGE := docker.io/modeloperator/chat-server:0.1.0
LOCKS := requirements.lock $(EXAMPLE)/requirements.lock
packages = sed -n 's/^\([a-z0-9][a-z0-9._-]*\)==.*/\1/p' $(1)
SAME_PYTHON := import sys; sys.exit(sys.version != sys.argv[1])
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --retries 8 --timeout 60 --no-deps
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header

# The groups of `make help`; each target is in one of them.
FIRST := demo dev venv check test-unit test
USE := tools demo-real real-node-tools kind-up kind-load kind-test kind-down clean help
DEVELOP := format types words crds chart docs docs-site coverage commits walk chaos-short chaos e2e e2e-tools e2e-existing \
    catalogue-real test-unit-image-python test-versions json-schema-suite bench bench-large bench-simulation bench-quick bench-hostile bench-looks bench-webhook \
    bench-flood bench-memory bench-neighbour bench-rollouts bench-gateway \
    record-failures record-states kubernetes-schemas lock
RELEASE := audit sbom dist release-notes record-upgrade-fixtures

define list
awk -F ':.*## ' -v 'title=$(1)' -v 'names=$(2)' \
    '/^[a-z0-9-]+:.*## / {text[$$1] = $$2} \
    END {print title ":"; n = split(names, name, " "); \
    for (i = 1; i <= n; i++) printf "  make %-22s  %s\n", name[i], text[name[i]]; print ""}' $(MAKEFILE_LIST)
endef

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv tools real-node-tools json-schema-suite dev demo demo-real test commits walk test-unit coverage test-unit-image-python test-versions record-failures bench bench-large bench-simulation bench-quick bench-hostile bench-looks bench-webhook bench-flood bench-memory bench-neighbour bench-rollouts bench-gateway chaos-short chaos e2e e2e-tools e2e-existing catalogue-real kind-up kind-load kind-test kind-down check types words format crds chart docs docs-site record-states kubernetes-schemas record-upgrade-fixtures lock audit sbom dist release-notes clean

help: ## Show this list
	@$(call list,Start here,$(FIRST))
	@$(call list,Use,$(USE))
	@$(call list,Develop,$(DEVELOP))
	@$(call list,Release,$(RELEASE))

venv: $(INSTALLED) ## Create the virtual environment from requirements.lock

$(INSTALLED): requirements.lock $(EXAMPLE)/requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "error: expected Python 3.11 or newer as $(PYTHON); name one with 'make PYTHON=…'." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	    { echo "error: $(PYTHON) lacks the module venv; on Debian: apt install python3-venv." >&2; exit 1; }
	@echo "Installing the locked dependencies into $(VENV)…"
	@# What stays the same stays installed; only a package that has left the locks needs a new environment.
	@test -e $@ && ! $(call packages,$@) | grep -vxF "$$($(call packages,$(LOCKS)))" >/dev/null && \
	    $(BIN)/python -c '$(SAME_PYTHON)' "$$($(PYTHON) -c 'import sys; print(sys.version)')" || \
	    $(PYTHON) -m venv --clear $(VENV)
	@$(PIP_INSTALL) --require-hashes -r requirements.lock
	@$(PIP_INSTALL) --require-hashes -r $(EXAMPLE)/requirements.lock
	@$(PIP_INSTALL) --no-build-isolation -e .
	@cat $(LOCKS) > $@

tools: $(INSTALLED) ## Build the control plane's tools and Helm (9 to 24 minutes of processor time, once, most of it kube-apiserver)
	@$(BIN)/python -m tests.cluster tools

real-node-tools: tools ## Build the tools for real containers (Linux, as root; 9 to 18 minutes of processor time, once)
	@$(BIN)/python -m tests.cluster real-node-tools

json-schema-suite: $(INSTALLED) ## Fetch the JSON Schema test suite (small, once)
	@$(BIN)/python -m tests.json_schema_suite.fetch

dev: $(INSTALLED) ## Run a control plane with the operator until Ctrl-C
	@$(BIN)/python -m tests.cluster dev

demo: $(INSTALLED) ## Show the main path on a separate control plane
	@$(BIN)/python -m tests.cluster demo

demo-real: $(INSTALLED) ## Show real models in real containers (Linux, as root)
	@$(BIN)/python -m tests.cluster demo-real

test: real-node-tools ## Run all tests, including those on the control plane and with real containers
	-@$(MAKE) --no-print-directory json-schema-suite # without it, its cases are reported as skipped
	-@$(BIN)/python -m tests.cluster image-python # the same
	-@$(BIN)/python -m tests.cluster browser # the same
	$(BIN)/pytest -n $(JOBS)

commits: tools ## Apply 200 commits that change templates and instances, as Flux does (COMMITS=200)
	MODEL_OPERATOR_COMMITS=$(COMMITS) $(BIN)/pytest -n 0 --timeout 1800 tests/integration/gitops/test_commits.py

walk: tools ## Take other random walks through the lives of instances than the tests (WALKS=20)
	MODEL_OPERATOR_WALKS=$(WALKS) $(BIN)/pytest -n 0 tests/integration/operator/test_random_walk.py

test-unit: $(INSTALLED) ## Run the tests that need no control plane
	$(BIN)/pytest -n $(JOBS) tests/unit

coverage: $(INSTALLED) ## Run the unit tests and check how much of the product they cover
	$(BIN)/pytest -n $(JOBS) --cov --cov-report=term tests/unit

test-unit-image-python: $(INSTALLED) ## Run the unit tests with the Python of the operator's image (Debian; an hour at most)
	@$(BIN)/python -m tests.cluster image-python
	PYTHONPATH=$(abspath operator) timeout 3600 $$($(BIN)/python -m tests.cluster image-python) -m pytest \
	    -n $(JOBS) -p no:cacheprovider --ignore tests/unit/embedding_server tests/unit

test-versions: tools ## Run the integration tests on other versions of Kubernetes (VERSIONS="1.30.14 …"; 25 minutes each)
	@$(BIN)/python -m hack.build.kubernetes_versions $(VERSIONS)
	for version in $(VERSIONS); do \
	    MODEL_OPERATOR_TEST_KUBERNETES=$$version $(BIN)/pytest -n $(JOBS) -m "cluster and not root" tests/integration tests/attacks || exit; \
	done

record-failures: tools ## Record the messages of a real node for every failure in tests/failures (as root)
	@$(BIN)/python -m tests.failures.record

bench: tools ## Measure 200 and 1,000 instances against the API server's own limit (10 to 15 minutes)
	@$(BIN)/python -m benchmarks.run --record 200 1000

bench-large: tools ## The same with 200, 1,000 and 10,000 instances, one recording of one operator (an hour)
	@$(BIN)/python -m benchmarks.run --record --alone 200 1000 10000

bench-simulation: tools ## Simulate an operator with 50,000 instances, their API server in memory (5 minutes)
	@$(BIN)/python -m benchmarks.simulation --record

bench-quick: tools ## Fail if the operator needs a quarter more requests or CPU than recorded (2 minutes, idle machine)
	@$(BIN)/python -m benchmarks.quick

bench-hostile: $(INSTALLED) ## Measure the time of hostile schemas and values
	@$(BIN)/python -m benchmarks.hostile

bench-looks: $(INSTALLED) ## Measure reconciles that find nothing to do
	@$(BIN)/python -m benchmarks.looks

bench-webhook: tools ## Measure admission reviews per second
	@$(BIN)/python -m benchmarks.webhook

bench-flood: tools ## Measure the operator while clients flood its ports (4 minutes)
	@$(BIN)/python -m benchmarks.flood

bench-neighbour: tools ## Measure a new instance beside edits and churn in another namespace, and a contested field (12 minutes)
	@$(BIN)/python -m benchmarks.neighbour --record

bench-rollouts: tools ## Measure edits of a template with 1,000 instances in steps, and 10,000 revisions (20 minutes)
	@$(BIN)/python -m benchmarks.rollouts --record

bench-gateway: tools ## Compare the gateway with raw Envoy and LiteLLM, measure its REST API (Linux; 13 minutes)
	@$(BIN)/python -m benchmarks.gateway --record

bench-memory: tools ## Check that memory stays flat over 20,000 created and deleted instances (an hour at most)
	@$(BIN)/python -m benchmarks.memory

chaos-short: tools ## Run the operator under other faults than the tests, short form (three minutes; SEED=…)
	@$(BIN)/python -m tests.chaos --short $(if $(SEED),--seed $(SEED))

chaos: tools ## Run the operator under faults, long form (about 20 minutes; SEED=… repeats a run)
	@$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED))

e2e: e2e-tools ## Run the operator's image as pods on a real node, end to end (Linux, as root; about 6 minutes)
	$(BIN)/pytest -n 0 tests/e2e

e2e-tools: real-node-tools ## Build the operator's image without an engine (1 to 3 minutes, once)
	@$(BIN)/python -m tests.cluster operator-image

catalogue-real: e2e-tools ## Run those templates of the catalogue whose servers PyPI has, on a real node (Linux, as root)
	MODEL_OPERATOR_TEST_CATALOGUE=all $(BIN)/pytest -n 0 tests/e2e/test_catalogue.py

e2e-existing: $(INSTALLED) ## Run the end-to-end tests in the cluster of KUBECONFIG, which must be able to pull the images
	MODEL_OPERATOR_TEST_CLUSTER=existing $(BIN)/pytest -n 0 tests/e2e

kind-up: ## Create a kind cluster for the end-to-end tests (KIND_IMAGE=kindest/node:… selects a version)
	@mkdir -p $(dir $(KIND_KUBECONFIG))
	$(KIND) create cluster --name $(KIND_CLUSTER) --kubeconfig $(KIND_KUBECONFIG) --wait 180s \
	    $(if $(KIND_IMAGE),--image $(KIND_IMAGE))

kind-load: ## Build all images with docker and load them into the kind cluster
	docker build --tag $(OPERATOR_IMAGE) .
	docker build --tag $(MODEL_IMAGE) $(EXAMPLE)
	docker build --tag $(CHAT_IMAGE) $(CHAT)
	$(KIND) load docker-image --name $(KIND_CLUSTER) $(OPERATOR_IMAGE) $(MODEL_IMAGE) $(CHAT_IMAGE)

kind-test: ## Run the end-to-end tests in the kind cluster
	@KUBECONFIG=$(abspath $(KIND_KUBECONFIG)) $(MAKE) --no-print-directory e2e-existing

kind-down: ## Delete the kind cluster
	$(KIND) delete cluster --name $(KIND_CLUSTER) --kubeconfig $(KIND_KUBECONFIG)

check: $(INSTALLED) ## Check format, lint, types, imports, words, generated files and links
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	@$(MAKE) --no-print-directory types
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory words
	$(BIN)/python -m model_operator.api.crd --check crds
	$(BIN)/python -m hack.chart --check
	$(BIN)/python -m hack.documents --check
	@$(MAKE) --no-print-directory docs-site

types: $(INSTALLED) ## Check the types
	$(BIN)/mypy operator hack benchmarks tests $(EXAMPLE)/embedding_server $(CHAT)/chat_server docs/conf.py

words: $(INSTALLED) ## Check the wording and the spelling of the product and the documents
	$(BIN)/python -m hack.words
	$(BIN)/codespell

format: $(INSTALLED) ## Format the code and fix what the linter can fix
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

crds: $(INSTALLED) ## Generate crds/ from the models
	$(BIN)/python -m model_operator.api.crd crds
	$(BIN)/python -m hack.editor_schemas

chart: $(INSTALLED) ## Generate the Helm chart's templates from the manifests
	$(BIN)/python -m hack.chart

docs: $(INSTALLED) ## Generate the tables of the documents
	$(BIN)/python -m hack.documents
	$(BIN)/python -m hack.pictures

docs-site: $(INSTALLED) ## Build a site from the documents; a broken link is an error
	@rm -rf $(SITE)
	$(BIN)/sphinx-build --fail-on-warning --keep-going --nitpicky --fresh-env --quiet -c docs . $(SITE)
	@echo "The documents: $(SITE)/docs/index.html"

record-states: tools ## Record objects in every state for the tests of Argo CD's health checks
	MODEL_OPERATOR_RECORD=1 $(BIN)/pytest -n $(JOBS) tests/integration/gitops/test_states.py
	$(BIN)/python -m tests.gitops.health_tests

record-upgrade-fixtures: tools ## Record objects of this version for the tests of upgrades from it
	@$(BIN)/python -m tests.upgrade.record

kubernetes-schemas: tools ## Capture Kubernetes' schemas of the rendered objects, for the command line
	@$(BIN)/python -m hack.kubernetes_schemas

lock: $(UV) ## Lock the dependencies of pyproject.toml again, with hashes
	$(LOCK) --group dev pyproject.toml --overrides requirements-overrides.txt -o requirements.lock
	$(LOCK) pyproject.toml --overrides requirements-overrides.txt -c requirements.lock -o requirements-runtime.lock
	echo hatchling | $(LOCK) - -c requirements.lock -o requirements-build.lock
	echo uv | $(LOCK) - -o requirements-uv.lock
	$(LOCK) $(EXAMPLE)/requirements.in --overrides $(EXAMPLE)/overrides.txt -c requirements.lock \
	    -o $(EXAMPLE)/requirements.lock
	$(LOCK) $(CHAT)/requirements.in --overrides $(CHAT)/overrides.txt -c requirements.lock \
	    -o $(CHAT)/requirements.lock
	$(LOCK) benchmarks/gateway/requirements.in -o benchmarks/gateway/requirements.lock
	for folder in $(STAND_INS); do \
	    $(LOCK) $$folder/requirements.in --overrides $$folder/overrides.txt -o $$folder/requirements.lock || exit; \
	done

$(UV): requirements-uv.lock
	@$(PYTHON) -m venv --clear .cache/uv
	@.cache/uv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

audit: $(INSTALLED) ## Check the image's packages for known vulnerabilities (AUDIT=--required: no skipping)
	@$(BIN)/python -m hack.audit $(AUDIT)

sbom: $(INSTALLED) ## Write the image's bill of materials, dist/sbom.cdx.json
	@$(BIN)/python -m hack.sbom dist/sbom.cdx.json

dist: tools ## Build a release: wheel, manifests and chart for IMAGE, bill of materials, checksums
	@$(BIN)/python -m hack.release files $(if $(IMAGE),--image '$(IMAGE)')

release-notes: $(INSTALLED) ## Write the changelog's section of the version, dist/release-notes.md; TAG must be its name
	@$(BIN)/python -m hack.release notes --tag '$(TAG)'

clean: ## Remove everything built in this folder; the tools stay in their cache
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
