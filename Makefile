# Everything a new machine needs to do is one of these. `make help` lists them.
.PHONY: help setup demo survey testbed testbed-compare record incidents leads test lint bench logs-bench log-lead censoring outages outages-left-out nab compare-models train-champion train-live train-probe notebooks clean
SHELL := /bin/bash
CARGO ?= cargo
# Where the recorded outages are (signals.csv.gz and score.py), for `make outages`.
DATA ?= ../shared/datasets/outages
OUT ?= target/results
# Where rows to learn from are written.
ROWS ?= target/rows
# Where the Numenta Anomaly Benchmark is (data/, labels/ and score.py), for `make nab`.
NAB ?= ../shared/datasets/nab
# Where the 16 loghub systems are, for `make logs-bench`.
LOGHUB ?= ../shared/datasets/loghub
# Runs the testbed with the real Envoy and the built foreshift.
TESTBED = FORESHIFT_ENVOY=$$(tests/envoy/setup.sh) target/release/foreshift-testbed
# The Python that plays the scenarios of LiteLLM.
LITELLM = FORESHIFT_LITELLM_PYTHON=$$(tests/litellm/setup.sh)/bin/python
# Seeds of the comparison: two, or five with FULL=1.
SEEDS = $(if $(FULL),1$(comma)2$(comma)3$(comma)4$(comma)5,1$(comma)2)
comma := ,
SCENARIOS := crates/foreshift-testbed/scenarios

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | column -t -s "$$(printf '\t')"

setup: ## check the toolchain, install what is missing where the package manager allows
	@tests/setup.sh

demo: setup ## the main job, end to end, on a recorded incident; LIVE=1 shows a real Envoy instead
ifdef LIVE
	$(CARGO) build --release -p foreshift -p foreshift-testbed
	$(TESTBED) live
else
	$(CARGO) build --release -p foreshift
	target/release/foreshift demo
endif

survey: setup ## the demo on ten other seeds, a row each (a minute)
	$(CARGO) build --release -p foreshift
	python3 tests/demo/survey.py target/release/foreshift

testbed: setup ## one scenario on real Envoys, six setups side by side: make testbed SCENARIO=leak
	$(CARGO) build --release -p foreshift -p foreshift-testbed
	$(if $(findstring llm-router,$(SCENARIO)),$(LITELLM)) $(TESTBED) compare $(SCENARIOS)/$(or $(SCENARIO),leak).yaml --seeds 1

testbed-compare: setup ## all scenarios and setups over a real Kafka, two seeds or FULL=1, with plots (35 minutes)
	tests/kafka/setup.sh
	tests/litellm/setup.sh >/dev/null
	$(CARGO) build --release -p foreshift -p foreshift-testbed
	$(LITELLM) $(TESTBED) compare $(SCENARIOS) --seeds $(SEEDS) --kafka tests/kafka/start.sh
	$(TESTBED) compare $(SCENARIOS)/leak.yaml $(SCENARIOS)/announced-errors.yaml $(SCENARIOS)/dependency-slowdown.yaml \
		--setups health-checks,reactive,predictive --signs 0,0.25,0.5,1 --seeds $(firstword $(subst $(comma), ,$(SEEDS))) --out target/testbed-sweep
	$(TESTBED) compare $(SCENARIOS)/unscaled --seeds $(firstword $(subst $(comma), ,$(SEEDS))) --kafka tests/kafka/start.sh --out target/testbed-unscaled
	$$(tests/testbed/setup.sh) tests/testbed/plot.py target/testbed docs/images/testbed target/testbed-sweep

record: setup ## made-up stories on real Envoys with Foreshift in shadow: what `make train-live` learns from (70 minutes)
	$(CARGO) build --release -p foreshift -p foreshift-testbed
	$(TESTBED) record --stories 180 --out target/recordings
	$(TESTBED) record --stories 30 --seed 2000 --pace 1 --out target/recordings-real

incidents: setup ## the recorded incidents of datasets/: every scenario once, with Foreshift in shadow (2 minutes)
	$(CARGO) build --release -p foreshift -p foreshift-testbed
	$(TESTBED) record $(SCENARIOS) --seed 11 --out target/incidents
	for dir in target/incidents/*/; do \
		into=datasets/incidents/$$(basename $$dir); rm -rf $$into; mkdir -p $$into; \
		cp $$dir/scenario.json $$dir/shadow/state/journal/*.parquet $$into/; done

leads: setup ## how long before a fault the shipped model alarms, and how often without one, on real Envoys at the pace of production (three quarters of an hour)
	$(CARGO) build --release -p foreshift -p foreshift-lab -p foreshift-testbed
	$(TESTBED) record $(SCENARIOS)/calm $(SCENARIOS)/leads --seed 32 --out target/leads
	@mkdir -p $(ROWS)
	target/release/foreshift-lab extract --input target/leads --pace 1 -o $(ROWS)/leads.parquet
	target/release/foreshift-lab evaluate --rows $(ROWS)/leads.parquet --horizon 2m --from 0 --model models/live/3 --budget 1

test: setup ## all tests, a real Apache Kafka, Envoy, HAProxy and LiteLLM included
	tests/kafka/setup.sh
	tests/envoy/setup.sh >/dev/null
	tests/haproxy/setup.sh >/dev/null
	tests/litellm/setup.sh >/dev/null
	tests/notebooks/setup.sh >/dev/null
	$(CARGO) build --workspace --bins
	$(CARGO) test --workspace

lint: ## formatting, clippy and rustdoc, warnings denied
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps

bench: setup ## speed, in release; starts a real Apache Kafka for the ingest figures
	tests/kafka/setup.sh
	$(CARGO) bench --workspace

logs-bench: ## our log parser and Drain3 in one run: make logs-bench LOGHUB=path
	$(CARGO) build --release -p foreshift-lab
	tests/logs/bench.py $(LOGHUB)

log-lead: ## how much earlier logs let simulated faults be predicted than metrics alone
	$(CARGO) build --release -p foreshift-lab
	target/release/foreshift-lab log-lead

censoring: ## what acting on predictions does to the models trained afterwards, in simulation
	$(CARGO) build --release -p foreshift-lab
	target/release/foreshift-lab censoring

outages: ## predictions and weights on the recorded outages, by their judge: make outages DATA=path
	$(CARGO) build --release -p foreshift-lab
	@mkdir -p $(OUT)
	time target/release/foreshift-lab replay --config docs/examples/outages.yaml --input $(DATA)/signals.csv.gz \
		--predictions $(OUT)/P.csv --weights $(OUT)/W.csv --decisions $(OUT)/D.jsonl
	python3 $(DATA)/score.py t1 $(DATA)/signals.csv.gz $(OUT)/P.csv --from 1735689600
	python3 $(DATA)/score.py t2 $(DATA)/signals.csv.gz $(OUT)/W.csv

outages-left-out: train-probe ## the same for monitors that taught the model nothing (15 minutes)
	python3 tests/models/left_out.py target/release/foreshift-lab docs/examples/outages.yaml $(ROWS)/outages.parquet \
		$(DATA) $(OUT)/left-out

nab: ## the anomaly detector on the Numenta Anomaly Benchmark, beside others: make nab NAB=path
	$(CARGO) build --release -p foreshift-lab
	target/release/foreshift-lab anomaly --input $(NAB)/data --output $(OUT)/nab
	tests/nab/table.py $(NAB) $(OUT)/nab

compare-models: setup ## River, Vowpal Wabbit, LightGBM, XGBoost, scikit-learn, linfa and smartcore beside our models (40 minutes or more; QUICK=1 some minutes; KEPT=1 after a run, for our online models again)
	$(CARGO) build --release -p foreshift-lab
	$(CARGO) build --release -p foreshift-boost --example boost
	$$(tests/models/setup.sh) tests/models/compare.py target/release/foreshift-lab target/release/examples/boost --data $(DATA) \
		$(if $(KEPT),--kept) $(if $(QUICK),--quick --out target/compare-quick,--image docs/images/compare-models.png)

train-champion: setup ## learn both shipped models again (with `make record` before it, if there are no recordings)
	test -d target/recordings-real || $(MAKE) record
	$(MAKE) train-live train-probe

train-live: setup ## learn the shipped live model again, on simulated fleets and what `make record` made
	$(CARGO) build --release -p foreshift-lab
	@mkdir -p $(ROWS)
	target/release/foreshift-lab extract --fleet-seed 200 --fleets 12 --every 5s --negatives 1:5 -o $(ROWS)/fleets.parquet
	target/release/foreshift-lab extract --input target/recordings --pace 10 --negatives 1:3 -o $(ROWS)/recordings.parquet
	target/release/foreshift-lab extract --input target/recordings-real --pace 1 --negatives 1:3 -o $(ROWS)/recordings-real.parquet
	target/release/foreshift-lab train --scale live --rows $(ROWS)/fleets.parquet --rows $(ROWS)/recordings.parquet \
		--rows $(ROWS)/recordings-real.parquet --recordings target/recordings --recordings target/recordings-real --out models/live/3

train-probe: setup ## learn the shipped probe model again, on recorded outages: make train-probe DATA=path
	$(CARGO) build --release -p foreshift-lab
	@mkdir -p $(ROWS)
	target/release/foreshift-lab extract --config docs/examples/outages.yaml --input $(DATA)/signals.csv.gz \
		--until 2025-01-01T00:00:00Z --negatives 1:4 -o $(ROWS)/outages.parquet
	target/release/foreshift-lab train --scale probe --rows $(ROWS)/outages.parquet --config docs/examples/outages.yaml \
		--input $(DATA)/signals.csv.gz --until 2025-01-01 --without 'frontends/*' --out models/probe/1

notebooks: setup ## run the notebooks, and write their outputs anew (two minutes)
	$(CARGO) build --release -p foreshift-lab
	$$(tests/notebooks/setup.sh) tests/notebooks/run.py target/release notebooks/*.ipynb --in-place

clean: ## remove build products
	$(CARGO) clean
