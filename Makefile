.DEFAULT_GOAL := help
.PHONY: help setup demo test test-contracts test-python faults gas bench coverage slither halmos audit mutate \
	lint format lock clean audit-tools

# As `. .venv/bin/activate` has it, for the commands below.
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/node_modules/.bin:$(PATH)
export SOLCX_BINARY_PATH ?= $(CURDIR)/.solcx
# Ape remembers contracts by address, and on a rehearsal chain addresses come again: what is
# learnt there must not end in ~/.ape, beside the keys and records of the real networks.
export APE_DATA_FOLDER := $(CURDIR)/.cache/ape

PYTHON_CODE := $(wildcard feed keeper demo scripts tests tools)
SOLIDITY := contracts $(wildcard tests/foundry)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what the checkout needs into the checkout (the other targets do it too)
	@tools/setup.sh

demo: setup ## play a few rounds on a local chain; ARGS="--help" lists the options
	@.venv/bin/python -m demo $(ARGS)

test: test-contracts test-python ## run every test

test-contracts: setup ## the contracts' tests, on anvil
	ape test tests/contracts $(ARGS)

test-python: setup ## every other test
	@# Without Ape's plugin, which would start an anvil that none of these tests uses.
	pytest -p no:ape_test -n 2 --ignore=tests/contracts -m "not slow" $(ARGS)

faults: setup ## disturb the keeper in every way there is; writes the table in docs/operations.md
	pytest -p no:ape_test -n 2 --junitxml=.build/faults.xml tests/faults $(ARGS)
	python -m tests.faults.matrix .build/faults.xml

gas: setup ## print what each action costs in gas
	ape test tests/contracts/test_gas.py -s

bench: setup ## the server's speed beside Socket.io's and ws's, judged; ARGS="--quick" to try it
	@python -m tests.bench $(ARGS)

coverage: setup ## what the forge tests reach of the contracts: every line and branch, or it fails
	python tools/coverage.py

audit: audit-tools ## all that an auditor would run but mutation; some 50 minutes
	python -m tools.audit all

slither: audit-tools ## static analysis of the contracts
	python -m tools.audit slither

halmos: audit-tools ## the proofs in tests/foundry/proofs; ARGS="--match=Lines" runs some
	python -m tools.audit halmos $(ARGS)

mutate: audit-tools ## do the tests notice every change to the contracts? (takes up where it stopped)
	python -m tools.audit mutate $(ARGS)

audit-tools: setup
	@tools/audit/setup.sh

lint: setup ## check style and types: Python and Solidity
	ruff check $(PYTHON_CODE)
	ruff format --check $(PYTHON_CODE)
	mypy --strict $(wildcard feed keeper demo scripts) tools/audit/__main__.py
	forge fmt --check $(SOLIDITY)
	solhint --disc --noPoster --config .solhint.json --max-warnings 0 'contracts/**/*.sol'

format: setup ## apply the style
	ruff check --fix $(PYTHON_CODE)
	ruff format $(PYTHON_CODE)
	forge fmt $(SOLIDITY)

lock: ## resolve the dependencies anew into requirements/ and the package-lock.json
	@tools/lock.sh

clean: ## remove all that was installed or built
	rm -rf .build .cache contracts/.cache .venv .solcx node_modules .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf ./*.egg-info
