# Everything a new machine needs to do is one of these. `make help` lists them.
.PHONY: help setup demo survey test lint bench outages train-live clean
SHELL := /bin/bash
CARGO ?= cargo
# Where the recorded outages are (signals.csv.gz and score.py), for `make outages`.
DATA ?= ../shared/datasets/outages
OUT ?= target/results

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | column -t -s "$$(printf '\t')"

setup: ## check the toolchain, install what is missing where the package manager allows
	@tests/setup.sh

demo: setup ## the main job, end to end, on a recorded incident; needs nothing else
	$(CARGO) build --release -p foreshift
	target/release/foreshift demo

survey: setup ## the demo on ten other seeds, a row each (a minute)
	$(CARGO) build --release -p foreshift
	python3 tests/demo/survey.py target/release/foreshift

test: setup ## all tests, a real Apache Kafka and a real Envoy included
	tests/kafka/setup.sh
	tests/envoy/setup.sh >/dev/null
	$(CARGO) build --workspace --bins
	$(CARGO) test --workspace

lint: ## formatting, clippy and rustdoc, warnings denied
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps

bench: setup ## speed, in release; starts a real Apache Kafka for the ingest figures
	tests/kafka/setup.sh
	$(CARGO) bench --workspace

outages: ## predictions and weights on the recorded outages, by their judge: make outages DATA=path
	$(CARGO) build --release -p foreshift-lab
	@mkdir -p $(OUT)
	time target/release/foreshift-lab replay --config docs/examples/outages.yaml --input $(DATA)/signals.csv.gz \
		--predictions $(OUT)/P.csv --weights $(OUT)/W.csv --decisions $(OUT)/D.jsonl
	python3 $(DATA)/score.py t1 $(DATA)/signals.csv.gz $(OUT)/P.csv --from 1735689600
	python3 $(DATA)/score.py t2 $(DATA)/signals.csv.gz $(OUT)/W.csv

train-live: ## learn the shipped live model again, on simulated fleets (about five minutes)
	$(CARGO) build --release -p foreshift-lab
	target/release/foreshift-lab train --out models/live/1

clean: ## remove build products
	$(CARGO) clean
