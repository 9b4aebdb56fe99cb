# The jobs of this repository. `make demo` and `make test` are all that a newcomer needs; both install what is
# missing first. Everything built lies under target/.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
ORDERS ?= 20000
KILLS ?= 200
MINUTES ?= 10
ROUTER := target/fast/router

.PHONY: help setup demo build test test-quick lint check crash fuzz bench api-test replay-test

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | column -t -s "$$(printf '\t')"

setup: ## install what build and tests need and this machine lacks
	@deploy/setup.sh test

demo: ## the whole product on one machine: real orders in, stores chosen, an audit at the end
	@deploy/setup.sh demo
	cargo run --quiet --profile fast --locked -p router-server --bin router -- demo --orders $(ORDERS) --exit

build: ## the optimised binary without the long link: target/fast/router
	cargo build --profile fast --locked -p router-server -p router-loadtest

test: setup build ## every test: units, scenarios, properties, the built binary, crashes, the API, replay, fuzz
	cargo test --workspace --locked
	$(MAKE) --no-print-directory crash KILLS=20
	$(MAKE) --no-print-directory api-test
	$(MAKE) --no-print-directory replay-test
	$(MAKE) --no-print-directory fuzz MINUTES=0.17

test-quick: ## what runs in a minute: the crates' own tests
	cargo test --workspace --locked --lib

lint: ## format, clippy with warnings denied, shell scripts
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	deploy/setup.sh test
	shellcheck deploy/*.sh .ci/run

check: ## licences, bans and sources of all dependencies; documents agree with the code
	deploy/setup.sh test
	target/tools/bin/cargo-deny --offline --log-level error check bans licenses sources
	deploy/check-documents.sh

crash: ## kill -9 at random moments under load, then audit (KILLS=200)
	KILLS=$(KILLS) cargo test --profile fast --locked -p router-server --test crash -- --nocapture

fuzz: ## random bytes against every decoder (MINUTES=10)
	ingest/fuzz/run.sh $(MINUTES)

bench: ## the figures of README.md
	cargo build --release --locked -p router-server -p router-loadtest
	benches/figures.sh
