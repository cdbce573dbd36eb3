# Every command of the repository; `make` alone lists them. Needs Python >= 3.11 and the package
# index, nothing else: each target sets up what it uses, and a second start skips that.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

API := .venv/.ready
GATEWAY := .venv-gateway/.ready
CHECKOV := .venv-checkov/.ready
TYPED := packages/chassis/src packages/api/src packages/local/src packages/runtime-mcp/src charts/*/gateway tests bench examples identity tools

# Whether the ports are free, before anything is set up: Python alone is enough for that.
PORTS := PYTHONPATH=packages/local/src $(or $(PYTHON),python3) -m local.run.ports

# Most tests wait for something: three workers, each with a gateway of its own, keep two cores busy.
WORKERS := -n 3 --dist loadfile

.PHONY: help setup run remove figures test test-integration test-long api doctor tool-gateway gateway identity model lint style types \
	imports attribution audit leaks vulnerabilities sbom bench chart image dockerfile lock rename clean moved

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(API) $(GATEWAY) ## build both environments (every other command does it when needed)

run: ## start the local LLM, the gateway, the API and the tool gateway; Ctrl-C stops them all
	@$(PORTS) run $(ARGS)
	@$(MAKE) --silent setup
	@.venv-gateway/bin/python -m local run --api-python .venv/bin/python $(ARGS)

test: setup ## run the test suite
	@.venv/bin/python -m pytest $(WORKERS) --ignore=tests/integration --ignore=tests/long $(ARGS)

test-integration: setup $(CHECKOV) ## test against a real Keycloak, OpenFGA, promtool, checkov, MCP suite and API server of Kubernetes
	-@for peer in keycloak openfga model_to_json compose_config; do tools/offline/peers.sh $$peer >/dev/null; done
	-@for tools in helm crds api-server; do tools/offline/kubernetes.sh $$tools >/dev/null; done
	-@tools/offline/mcp_peers.sh >/dev/null
	@.venv/bin/python -m pytest -n 2 --dist loadfile --timeout 600 $(or $(ARGS),tests/integration)

test-long: setup ## ten thousand calls of every kind to the cent, and as many of tools under kills (half an hour)
	@.venv/bin/python -m pytest -n 0 --timeout 3600 $(or $(ARGS),tests/long)

api: $(API) ## start the API alone, against the LLM_GATEWAY_URL of the environment
	@.venv/bin/python -m api

tool-gateway: $(API) ## start the tool gateway alone, for the agents and servers of packages/runtime-mcp/local
	@mkdir -p .run && AUTH_MODE=$${AUTH_MODE:-disabled} DATABASE_URL=$${DATABASE_URL:-sqlite:///.run/audit.db} \
		ALLOWLIST_FILE=$${ALLOWLIST_FILE:-packages/runtime-mcp/local/allowlist.yaml} \
		UPSTREAMS_FILE=$${UPSTREAMS_FILE:-packages/runtime-mcp/local/upstreams.yaml} \
		LLM_SERVICE_URL=$${LLM_SERVICE_URL:-http://127.0.0.1:8000} .venv/bin/python -m runtime_mcp

doctor: $(API) ## find out what is wrong, with the environment of `make api`
	@.venv/bin/python -m api.cli doctor $(ARGS)

gateway: ## start the local LLM and the gateway alone; ARGS='--port 4100 --overlay FILE', of more aliases
	@$(PORTS) serve $(ARGS)
	@$(MAKE) --silent $(GATEWAY)
	@.venv-gateway/bin/python -m local serve $(ARGS)

identity: $(API) ## start a real Keycloak and a real OpenFGA, and print what `make api` needs
	@tools/offline/peers.sh keycloak >/dev/null && tools/offline/peers.sh openfga >/dev/null
	@.venv/bin/python -m identity

model: ## write identity/model.json from identity/model.fga
	@transformer=$$(tools/offline/peers.sh model_to_json) && $$transformer <identity/model.fga | \
		python3 -m json.tool --indent 2 - identity/model.json

lint: style types imports attribution dockerfile audit ## check style, types, imports, attribution, Dockerfile, secrets, vulnerabilities

style: $(API)
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check

types: $(API)
	@.venv/bin/mypy $(wildcard $(TYPED))

imports: $(API) ## check that imports go down, as the contracts in pyproject.toml say
	@PYTHONPATH=$(dir $(wildcard charts/*/gateway/config.yaml)) .venv/bin/lint-imports --no-cache --no-logo

attribution: $(API) ## find completions that go round the service helper; ARGS=folder looks there
	@.venv/bin/python tools/attribution.py $(ARGS)

dockerfile: $(API) ## check the Dockerfile
	@.venv/bin/hadolint Dockerfile

audit: leaks vulnerabilities

leaks: $(API) ## find secrets in the work tree and in the branch's history
	@.venv/bin/python tools/leaks.py

vulnerabilities: $(API) ## what is known against the locked versions; AUDIT_REQUIRED=1, OSV_URL=
	@.venv/bin/python tools/vulnerabilities.py $(if $(AUDIT_REQUIRED),--required) \
		$(if $(OSV_URL),--osv-url $(OSV_URL)) requirements/*.txt

# A bill of materials for each thing that runs, checked against its schema and the same each time.
SBOM := dist/sbom
sbom: $(addprefix $(SBOM)/,api.json runtime-mcp.json gateway.json) ## write what is in each image

$(SBOM)/%.json: requirements/%.txt $(API)
	@mkdir -p $(SBOM)
	@.venv/bin/cyclonedx-py requirements --output-reproducible --short-PURLs -o $@ $<

bench: $(API) ## measure the service against the documented snippet, the tool gateway against a proxy
	@.venv/bin/python -m bench
	@.venv/bin/python -m bench.tool_calls

# The chart that it depends on goes into it here, and not into the repository.
chart: $(API) ## lint, render and package the charts, into dist/charts
	@.venv/bin/python tools/chart_values.py
	@tools/chart.sh

image: $(API) ## build the images of the API and of both gateways; ARGS=api builds one, BASE= is what it stands on
	@tools/image.sh $(ARGS)

rename: $(API) ## rename the solution everywhere: make rename NAME=my-solution
	@.venv/bin/python tools/rename.py "$(NAME)"

figures: $(API) ## count what the design bounds: lines, modules, imports, files behind a call
	@.venv/bin/python tools/figures.py

remove: $(API) ## take an optional concern out: make remove CONCERN=redis
	@.venv/bin/python tools/remove.py "$(CONCERN)"

COMPILE = UV_CUSTOM_COMPILE_COMMAND="make lock" tools/uv.sh pip compile --quiet --universal \
	--generate-hashes --python-version 3.11 --no-emit-index-url --no-emit-package solution-chassis $(ARGS)
SERVICES := $(foreach package,chassis api runtime-mcp,packages/$(package)/pyproject.toml)

lock: $(API) ## lock the versions again; ARGS=--upgrade takes the newest that are allowed
	$(COMPILE) $(SERVICES) --extra litellm --group dev --group on-demand -o requirements/dev.txt
	$(COMPILE) packages/chassis/pyproject.toml packages/api/pyproject.toml \
		-c requirements/dev.txt -o requirements/api.txt
	$(COMPILE) packages/chassis/pyproject.toml packages/runtime-mcp/pyproject.toml \
		-c requirements/dev.txt -o requirements/runtime-mcp.txt
	$(COMPILE) packages/local/pyproject.toml -o requirements/gateway.txt
	$(COMPILE) --group checkov -o requirements/checkov.txt
	tools/offline/mcp_peers.sh lock

clean: ## remove the environments and everything that was generated
	rm -rf .venv .venv-* .run dist .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

LOCKS := tools/setup.sh tools/locked.sh tools/uv.sh tools/pip_settings.sh
$(API): $(LOCKS) requirements/dev.txt $(wildcard packages/*/pyproject.toml)
	@PYTHON="$(PYTHON)" tools/setup.sh api

$(GATEWAY): $(LOCKS) requirements/gateway.txt packages/local/pyproject.toml | $(API)
	@PYTHON="$(PYTHON)" tools/setup.sh gateway

$(CHECKOV): $(LOCKS) requirements/checkov.txt | $(API)
	@PYTHON="$(PYTHON)" tools/setup.sh checkov

# A copied folder brings environments along that would run the code of the original.
ifneq ($(shell cat $(API) 2>/dev/null),$(CURDIR))
$(API): moved
endif
ifneq ($(shell cat $(GATEWAY) 2>/dev/null),$(CURDIR))
$(GATEWAY): moved
endif
ifneq ($(shell cat $(CHECKOV) 2>/dev/null),$(CURDIR))
$(CHECKOV): moved
endif
