# Every command of the repository; `make` alone lists them. Needs Python >= 3.11 and the package
# index, nothing else: each target sets up what it uses, and a second start skips that.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

API := .venv/.ready
GATEWAY := .venv-gateway/.ready
TYPED := packages/api/src packages/gateway/src charts/llm-access/gateway/*.py tests bench tools

# Most tests wait for something: two workers, each with a gateway of its own, halve the time.
WORKERS := -n 2 --dist loadfile

.PHONY: help setup run test api gateway lint style types attribution bench lock rename clean moved

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(API) $(GATEWAY) ## build both environments (every other command does it when needed)

run: setup ## start the local LLM, the gateway and the API; Ctrl-C stops all three
	@.venv-gateway/bin/python -m gateway run --api-python .venv/bin/python

test: setup ## run the whole test suite
	@.venv/bin/python -m pytest $(WORKERS) $(ARGS)

api: $(API) ## start the API alone, against the LLM_GATEWAY_URL of the environment
	@.venv/bin/python -m api

gateway: $(GATEWAY) ## start the local LLM and the gateway alone
	@.venv-gateway/bin/python -m gateway serve

lint: style types attribution ## check style, types and attribution

style: $(API)
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check

types: $(API)
	@.venv/bin/mypy $(wildcard $(TYPED))

attribution: $(API) ## find completions that go round the service helper; ARGS=folder looks there
	@.venv/bin/python tools/attribution.py $(ARGS)

bench: $(API) ## measure the service against the documented snippet
	@.venv/bin/python -m bench

rename: $(API) ## rename the solution everywhere: make rename NAME=my-solution
	@.venv/bin/python tools/rename.py "$(NAME)"

COMPILE = UV_CUSTOM_COMPILE_COMMAND="make lock" tools/uv.sh pip compile --quiet --universal \
	--generate-hashes --python-version 3.11 --no-emit-index-url $(ARGS)

lock: $(API) ## lock the versions again; ARGS=--upgrade takes the newest that are allowed
	$(COMPILE) requirements/uv.in -o requirements/uv.txt
	$(COMPILE) packages/api/pyproject.toml --extra litellm -o requirements/api.txt
	$(COMPILE) packages/api/pyproject.toml --extra litellm --group dev requirements/uv.in \
		-c requirements/api.txt -o requirements/dev.txt
	$(COMPILE) packages/gateway/pyproject.toml -o requirements/gateway.txt
	$(COMPILE) --no-deps requirements/local-llm.in -o requirements/local-llm.txt

clean: ## remove both environments and everything that was generated
	rm -rf .venv .venv-gateway .run .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

LOCKS := requirements/uv.txt tools/setup.sh tools/uv.sh
$(API): $(LOCKS) requirements/dev.txt packages/api/pyproject.toml packages/gateway/pyproject.toml
	@PYTHON="$(PYTHON)" tools/setup.sh api

$(GATEWAY): $(LOCKS) requirements/gateway.txt requirements/local-llm.txt \
		packages/gateway/pyproject.toml | $(API)
	@PYTHON="$(PYTHON)" tools/setup.sh gateway

# A copied folder brings environments along that would run the code of the original.
ifneq ($(shell cat $(API) 2>/dev/null),$(CURDIR))
$(API): moved
endif
ifneq ($(shell cat $(GATEWAY) 2>/dev/null),$(CURDIR))
$(GATEWAY): moved
endif
