# Doors of the house. Each target installs what it needs (Debian or Ubuntu; Rust itself is yours to install).
.DEFAULT_GOAL := help
.PHONY: help run test house lint deny audit fuzz bench failover setup

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## build haechi and start the failover lab
	@scripts/setup run
	cargo build --release --locked -p haechi
	target/release/haechi lab

test: ## every check: format, lints, house rules, tests, licences, a little fuzzing
	@scripts/setup test
	@scripts/test

house: ## the rules of the house only (seconds)
	cargo test -p haechi-house

lint: ## format and lints only
	@scripts/test format format-fuzz lint

deny: ## licences, bans and sources of what is linked
	@scripts/setup test
	@scripts/deny

audit: ## known vulnerabilities too; needs a machine that reaches the advisory database
	@scripts/setup test
	cargo deny --locked check

fuzz: ## ten minutes for each fuzz target
	@scripts/setup test
	@scripts/fuzz 600

bench: ## haechi beside the newest HAProxy and nginx; writes docs/benchmarks.md
	@scripts/setup bench
	cargo build --release --locked -p haechi -p haechi-bench
	target/release/bench proxy
	target/release/bench scale

failover: ## how long clients wait when a node dies, beside keepalived; needs root; writes docs/failover.md
	@scripts/setup failover
	cargo build --release --locked -p haechi -p haechi-bench
	target/release/bench failover

setup: ## install what tests need, and nothing else
	@scripts/setup test
