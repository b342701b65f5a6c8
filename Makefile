# Two commands matter: `make demo` and `make test`. Each installs what is missing first.

SHELL  := /bin/bash
BIN    := bin/concord
TAGS   := nomsgpack
GO     ?= go
# Set by the release; a working copy says which commit it is.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
FUZZTIME ?= 30s
# Packages with tests that take long: cases by the hundred thousand, stories of a whole exchange. They run whole without the race detector,
# which makes them several times slower, and with -short under it: fewer cases, and of the stories those in which much happens at once.
LONG := ./cmd/concord ./consent ./federation ./internal/sim ./mpi ./mpi/mpicsv

.PHONY: demo demodeps test unit long raced race clients bench lint vet build fuzz deps clean help

help: ## what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

build: ## the one program, bin/concord
	$(GO) build -tags $(TAGS) -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN) ./cmd/concord

demo: demodeps build ## a whole network on this machine; stays up
	$(BIN) demo $(ARGS)

test: deps vet unit clients ## everything that can fail

vet:
	$(GO) vet -tags $(TAGS) ./...

unit: ## Go tests, against real PostgreSQL and Redis; with the race detector where it can find something
	@$(MAKE) --no-print-directory -j2 long raced

long: # one package at a time: the other half keeps the second processor busy
	$(GO) test -tags $(TAGS) -p 1 -timeout 20m $(LONG)

raced:
	CGO_ENABLED=1 $(GO) test -race -short -tags $(TAGS) -timeout 20m ./...

race: deps ## all Go tests, whole, under the race detector: most of an hour
	CGO_ENABLED=1 $(GO) test -race -tags $(TAGS) -timeout 60m ./...

clients: build ## clients nobody here wrote walk the path of a running demo; what they are sent is validated
	test/fhircheck/run $(BIN)

bench: deps ## figures beside their ceilings, and bench/latest.json; CONCORD_BENCH_SOURCES, _POINTERS, _INDEX and _BATCH set the size, _ONLY the stages
	CONCORD_BENCH=$(CURDIR)/bench/latest.json $(GO) test -tags $(TAGS) -run '^TestBench$$' -count 1 -timeout 150m -v ./cmd/concord

lint: ## golangci-lint, pinned in tools/go.mod
	$(GO) tool -modfile=tools/go.mod golangci-lint run --allow-parallel-runners --build-tags $(TAGS) ./...

fuzz: ## every fuzz test for FUZZTIME
	@set -euo pipefail; for pkg in $$($(GO) list -tags $(TAGS) ./...); do \
	    for target in $$($(GO) test -tags $(TAGS) -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	        echo "== $$pkg $$target"; \
	        $(GO) test -tags $(TAGS) -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg; \
	    done; \
	done

demodeps:
	@.ci/deps demo

deps: ## PostgreSQL, Redis, Node.js and the npm packages of the checks, where missing
	@.ci/deps
	@.ci/npm

clean: ## what was built
	rm -rf bin test/fhircheck/node_modules
