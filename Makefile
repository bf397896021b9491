# What people type. `.ci/run` is what has to pass.

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)

.DEFAULT_GOAL := help
.PHONY: help demo test test-az check fmt bench soak blobs suites clients attacks cargo

help:
	@echo "make demo    build Godwit and run two linked caches on this machine, with a load"
	@echo "make test    run every test, with real engines of both kinds"
	@echo "make test-az the managed service's own command line against all of it; the first time it"
	@echo "             fetches some 700 MB"
	@echo "make check   formatting, lints, documentation"
	@echo "make fmt     format the code"
	@echo "make soak    failovers by the hundred, scored; MINUTES=30, ARGS='--engine valkey'"
	@echo "make bench   measure beside native replication; ARGS=--quick for small sizes,"
	@echo "             ARGS=gateway for the gateway beside HAProxy, ARGS=export for exports"
	@echo "make blobs   export to and import from blob and S3 storage (emulators, by npm and pip)"
	@echo "make suites  run the engines' and client libraries' own tests through a gateway"
	@echo "make clients run real clients over TLS through 50 failovers; ARGS='--engine redis'"
	@echo "make attacks attack a gateway: slow, many, greedy and malformed clients"

demo: cargo
	@scripts/install-engines.sh
	$(CARGO) build --release --locked --package cli
	@exec $(TARGET)/release/godwit up --demo

test: cargo
	@scripts/install-engines.sh --tests
	# The system tests run this binary.
	$(CARGO) build --locked --package cli
	@if command -v cargo-nextest >/dev/null; then \
	  set -ex; \
	  $(CARGO) nextest run --workspace --locked; \
	  $(CARGO) test --workspace --locked --doc --quiet; \
	else \
	  set -ex; \
	  $(CARGO) test --workspace --locked; \
	fi
	tests/sdk/run.sh
	tests/blob/run.sh

test-az: cargo
	@scripts/install-engines.sh --tests
	$(CARGO) build --locked --package cli
	tests/az/run.sh $(ARGS)

check: cargo
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

fmt: cargo
	$(CARGO) fmt --all

bench: cargo
	@scripts/install-engines.sh --tests
	$(CARGO) build --release --locked --package cli
	$(if $(findstring gateway,$(ARGS)),$(CARGO) build --release --locked --package gateway --example gateway)
	$(CARGO) run --release --locked --package bench -- $(ARGS)

soak: cargo
	@scripts/install-engines.sh --tests
	$(CARGO) build --release --locked --package cli
	$(CARGO) run --release --locked --package model --example model_check
	$(CARGO) run --release --locked --package system --example soak -- \
	  --minutes $(or $(MINUTES),30) $(ARGS)
	$(CARGO) run --release --locked --package system --example crash_matrix -- \
	  --minutes $(or $(MINUTES),30)

blobs: cargo
	@scripts/install-engines.sh --tests
	$(CARGO) build --locked --package cli
	tests/blob/run.sh $(ARGS)

suites: cargo
	@scripts/install-engines.sh --tests
	$(CARGO) build --release --locked --package gateway --example gateway --features testing
	scripts/suites/run.sh $(ARGS)

clients: cargo
	@scripts/install-engines.sh --tests
	$(CARGO) build --release --locked --package cli
	scripts/clients/run.sh $(ARGS)

attacks: cargo
	@scripts/install-engines.sh --tests
	$(CARGO) build --release --locked --package gateway --example gateway
	scripts/attacks/run.sh $(ARGS)

cargo:
	@command -v $(CARGO) >/dev/null || { \
	  echo "error: cargo is not there" >&2; \
	  echo >&2; \
	  echo "hint: install rustup (your distribution's package, or as the Rust web site says); it" >&2; \
	  echo "      fetches the right version of Rust by itself" >&2; \
	  exit 1; }
