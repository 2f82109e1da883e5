# Three kinds of modules live here: the SDK in the root, the reference server
# in refserver/, and those examples that need libraries of their own. "./..."
# in one of them never reaches the others, so every target names them all.

GO          ?= go
# Every store runs the whole contract in one test binary; a slow machine needs long.
TESTFLAGS   ?= -timeout 30m
FUZZTIME    ?= 10s
FAULT_TIMEOUT ?= 30m
BENCHFLAGS  ?=
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

# Nested modules outside go.work are built by their own go.mod alone.
EXAMPLES    := $(patsubst %/go.mod,%,$(shell find examples -name go.mod))
IN_EXAMPLES  = set -e; for dir in $(EXAMPLES); do echo "GOWORK=off $(GO) -C $$dir $(1)"; GOWORK=off $(GO) -C $$dir $(1); done

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## Start the reference server with the demo site
	$(GO) -C refserver run . -demo

.PHONY: test
test: ## Run every test of every module
	$(GO) test $(TESTFLAGS) ./...
	$(GO) -C refserver test $(TESTFLAGS) ./...
	@$(call IN_EXAMPLES,test $(TESTFLAGS) ./...)

.PHONY: race
race: TESTFLAGS += -race
race: test ## Run every test with the race detector

.PHONY: lint
lint: fmt-check vet staticcheck ## Run gofmt, go vet and staticcheck

.PHONY: fmt-check
fmt-check: ## List the files that gofmt would change, and fail if there are any
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "gofmt would change:"; echo "$$files"; exit 1; fi

.PHONY: vet
vet: ## Run go vet
	$(GO) vet ./...
	$(GO) -C refserver vet ./...
	@$(call IN_EXAMPLES,vet ./...)

.PHONY: staticcheck
staticcheck: ## Run staticcheck, at a fixed version
	$(GO) run $(STATICCHECK) ./...
	$(GO) -C refserver run $(STATICCHECK) ./...

.PHONY: tidy-check
tidy-check: ## Fail if a go.mod or go.sum is not tidy
	GOWORK=off $(GO) mod tidy -diff
	GOWORK=off $(GO) -C refserver mod tidy -diff
	@$(call IN_EXAMPLES,mod tidy -diff)

.PHONY: fuzz
fuzz: ## Fuzz every target for FUZZTIME each (10s)
	@scripts/fuzz.sh $(FUZZTIME)

.PHONY: fault
fault: ## Kill, freeze, cut and fill servers and databases for some minutes, and check every time
	$(GO) -C refserver vet -tags fault ./fault/...
	$(GO) -C refserver test -tags fault -count=1 -timeout $(FAULT_TIMEOUT) -v ./fault

.PHONY: fault-long
fault-long: FAULT_TIMEOUT = 12h
fault-long: export FAULT_CYCLES ?= 500
fault-long: export FAULT_F1 ?= 500
fault-long: export FAULT_F2 ?= 50
fault-long: export FAULT_F3 ?= 300
fault-long: export FAULT_F4 ?= 5000
fault-long: export FAULT_F5 ?= 120
fault-long: export FAULT_F6 ?= 600
fault-long: export FAULT_F7 ?= 200
fault-long: export FAULT_F8 ?= 10
fault-long: export FAULT_F9 ?= 50
fault-long: export FAULT_F9_POSTGRESQL ?= 20
fault-long: export FAULT_F12 ?= 200
fault-long: export FAULT_F13 ?= 100
fault-long: export FAULT_I2 ?= 1000
fault-long: export FAULT_I5 ?= 40
fault-long: export FAULT_LINEAR ?= 50
fault-long: fault ## The same for a night

.PHONY: bench
bench: ## Hold everything against its floor; BENCHFLAGS="-long" or "-parts list -systems sqlite"
	$(GO) test -run '^$$' -bench . -benchmem ./...
	$(GO) -C refserver run ./bench $(BENCHFLAGS)

.PHONY: cover
cover: ## Measure how much of the SDK its tests cover; details in cover.out
	$(GO) test -coverpkg=./... -coverprofile=cover.out ./...
	$(GO) tool cover -func=cover.out | tail -n 1

.PHONY: golden
golden: ## Rewrite the golden files of every package that has an -update flag
	@set -e; for dir in $$(grep -rlF --include='*_test.go' 'flag.Bool("update"' . | sed 's,/[^/]*$$,,' | sort -u); do \
		echo "$(GO) -C $$dir test . -update"; $(GO) -C $$dir test . -update; done
