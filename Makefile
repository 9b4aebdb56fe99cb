# The jobs of this repository. Each installs what is missing first. Everything built lies under target/.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

.PHONY: help setup demo run crash fuzz fuzz-quick simulate simulate-long test test-quick http schemas bench lint check

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

setup: ## install what build and tests need and this machine lacks
	@deploy/setup.sh

demo: setup ## real orders at real store places, watched, then audited
	cargo run --release --locked --bin router -- demo --exit

run: setup ## the router on ./router-data
	cargo run --release --locked --bin router -- run

crash: setup ## kill -9 under load, KILLS times (20)
	cargo test --locked -p router-server --test crash -- --nocapture

MINUTES ?= 10
fuzz: setup ## look for inputs that break the decoder, the records or the journal: MINUTES (10) for each target
	@deploy/setup.sh fuzz
	deploy/fuzz.sh $$(( $(MINUTES) * 60 ))

fuzz-quick: setup ## ten seconds for each fuzz target
	@deploy/setup.sh fuzz
	deploy/fuzz.sh 10

SEED ?= 1
SEEDS ?= 2
RECORDS ?= 1500000
simulate: setup ## all stages with faults, SEEDS (2) runs of RECORDS (1500000) from SEED (1) on; then that deliberate faults are found
	cargo run --locked --profile simulation -p router-simulation -- --seed $(SEED) --seeds $(SEEDS) --records $(RECORDS)
	cargo test --locked --profile simulation -p router-simulation --features faults --test faults -- --nocapture

simulate-long: ## a hundred million records, on one core in the background
	cargo build --locked --profile simulation -p router-simulation
	nice -n 19 target/simulation/router-simulation --seed $(SEED) --records 100000000

test: setup ## every test
	cargo test --workspace --locked
	deploy/schemathesis.sh

http: setup ## the HTTP API against its own document, EXAMPLES requests of each kind (5)
	deploy/schemathesis.sh

schemas: ## make the files in schemas/ anew from the types
	UPDATE_SCHEMAS=1 cargo test --locked -p router-ingest -p router-server current

test-quick: ## the tests, without looking for what is missing
	cargo test --workspace --locked

bench: setup ## what each step of an order costs, then a whole router under load
	cargo bench --locked -p router-benches
	benches/count.sh
	cargo build --release --locked -p router-server -p router-loadtest
	target/release/router-loadtest --mode batch --orders 1000000 --restart
	target/release/router-loadtest --mode post --orders 300000

lint: setup ## format, clippy with warnings denied, shell scripts
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	shellcheck deploy/*.sh benches/*.sh .ci/run

check: setup ## licences, bans and sources of all dependencies; documents agree with the code
	cargo fetch --quiet --locked
	target/tools/bin/cargo-deny --offline --log-level error check bans licenses sources
	deploy/check-documents.sh
