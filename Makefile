SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

COMMANDS := producer consumer tracker-ws dev
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
GOLANGCI := go tool -modfile=tools/go.mod golangci-lint

# How `make demo` starts the platform; DEMO="--simulate 200 --fresh" for more of it.
DEMO ?= --simulate 20
# What `make test` and `make test-kafka` run; narrow them while you work on one part.
PACKAGES ?= ./...
KAFKA_PACKAGES ?= ./scripts/kafka/... ./internal/topic/... ./internal/projector/... ./cmd/internal/e2e/...
# What `make chaos` is told: --minutes, --seed and --rate (events per second).
CHAOS ?= --minutes 5
# How often `make test-crash` kills the consumer at each of its crash points.
KILLS ?= 40
# What `make soak` is told: --minutes, --subscribers, --changes (a second) and --seed.
SOAK ?= --minutes 5
# Flags for the benchmarks, as in BENCH="--events 100000".
BENCH ?=

##@ Run
.PHONY: help build demo
help: ## Say what there is to make
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build bin/producer, bin/consumer, bin/tracker-ws and bin/dev
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/ $(COMMANDS:%=./cmd/%)

demo: build ## Start the whole platform on embedded parts, with simulated traffic (DEMO=flags)
	@exec bin/dev $(DEMO)

##@ Test
.PHONY: check test test-go test-web test-kafka test-crash chaos soak properties
check: fmt vet lint test ## Everything that must hold before a change is handed in

test: test-web test-go ## All tests, the dashboard's first

test-go: ## The benchmarks' module first, so that the output ends with the platform's
	cd bench && go test -shuffle=on ./...
	go test -race -shuffle=on -timeout=20m $(PACKAGES)

test-web:
	@scripts/test-web.sh

properties: ## Hold what an event means to its properties on 10,000 random cases each
	GOGC=400 go test -count=1 ./internal/tracking -rapid.checks=10000

test-kafka: ## Integration tests on three nodes of real Apache Kafka (needs Java 17 and Maven)
	@go list $(KAFKA_PACKAGES) >/dev/null
	scripts/kafka/kafka.sh with --nodes 3 -- go test -race -shuffle=on -count=1 -timeout=15m $(KAFKA_PACKAGES)

test-crash: ## Kill the consumer KILLS times at each crash point, and fight 1,000 times over a partition
	go test -count=1 -v -timeout=60m -run '^(TestAKillAtAny|TestAnAnswerThatIsLost|TestTwoOwners)' ./cmd/internal/e2e --kills $(KILLS) --windows 1000

chaos: ## Let brokers, database and consumers fail at random under load (CHAOS="--minutes 5")
	go test -count=1 -v -timeout=0 -run '^TestChaos$$' ./cmd/internal/e2e $(CHAOS)

soak: ## Kill the gateway every 10 s under 500 clients and 2,000 changes a second (SOAK="--minutes 5")
	go test -count=1 -v -timeout=0 -run '^TestSoak$$' ./cmd/internal/e2e $(SOAK)

##@ Code
.PHONY: fmt vet lint vuln
fmt: ## Fail on Go files that gofmt would change
	@out=$$(find . -name node_modules -prune -o -name '*.go' -print0 | xargs -0 gofmt -l); \
	[[ -z $$out ]] || { printf 'gofmt would change:\n%s\n' "$$out" >&2; exit 1; }

vet: ## Run go vet, on the benchmarks' module too
	go vet ./...
	cd bench && go vet ./...

lint: ## Run the linters of .golangci.yml, pinned in tools/go.mod
	$(GOLANGCI) run ./...

vuln: ## Look for known vulnerabilities in what the commands call (needs the network)
	go tool -modfile=tools/go.mod govulncheck ./...

##@ Dashboard
.PHONY: web web-check
web: web/node_modules/.package-lock.json ## Build web/dist, which is committed and embedded
	npm --prefix web run build

web-check: web ## Fail when the committed web/dist is not what its source builds
	@[[ -z $$(git status --porcelain -- web/dist) ]] || \
		{ echo "web/dist differs from what its source builds: commit it after 'make web'" >&2; git status --short -- web/dist; exit 1; }

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	npm --prefix web ci --no-audit --no-fund
	@touch $@

##@ Measure
.PHONY: bench bench-projector bench-live bench-gateway bench-fold
bench: bench-fold bench-projector bench-live bench-gateway ## All benchmarks; each ends with a line RESULT {json} (BENCH=flags)

bench-projector: build ## Events per second from the topic into the read model
	cd bench && go run ./projector $(BENCH)

bench-live: build ## Milliseconds from publishing to the browser
	cd bench && go run ./live $(BENCH)

bench-gateway: ## Frames per second beside a bare hub, memory per connection, slow clients, storms, commit to client
	cd bench && go run ./gateway $(BENCH)

bench-fold: ## Nanoseconds and allocations per event that gets its meaning
	cd bench && go run ./fold $(BENCH)
