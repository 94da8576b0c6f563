# The commands of this repository. The modules are those of go.work, which the
# pattern "work" stands for; tools is not among them.

MODULES  := $(shell go list -m -f '{{.Dir}}')
CROSS    := linux/arm64 darwin/arm64 windows/amd64
FUZZTIME ?= 20s
SOAK     ?= 10m
BENCH    ?= .
COUNT    ?= 1

.PHONY: check test race assert storm soak lint tools tidy cross fuzz bench bench-once examples

# What CI runs: everything below but soak and bench.
check:
	bash .ci/run

test:
	go test work

race:
	go test -race work

# With the invariants that cost too much to be checked always.
assert:
	go test -tags futures_assert ./...

# The storms at their full sizes: a million tasks in worker processes and at least 500 kills, and
# 100,000 on a cluster whose workers are killed.
storm:
	FUTURES_STORM=1000000 go test -count=1 -run '^TestStorm$$' ./procpool
	FUTURES_STORM=100000 go test -count=1 -run '^TestStorm$$' ./cluster

# A cluster under full load for a while: memory, files and goroutines must not grow.
soak:
	FUTURES_SOAK=$(SOAK) go test -count=1 -v -timeout 0 -run '^TestSoak$$' ./cluster

# errcheck leaves out tests, and executortest, which is nothing else.
lint: tools
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "gofmt would change:" $$unformatted; exit 1; }
	go vet work
	@set -e; for m in $(MODULES); do \
		echo "staticcheck, errcheck, ineffassign: $$m"; \
		cd $$m; \
		$(CURDIR)/.bin/staticcheck ./...; \
		$(CURDIR)/.bin/errcheck -ignoretests -exclude $(CURDIR)/tools/errcheck.txt $$(go list ./... | grep -v '/executortest$$'); \
		$(CURDIR)/.bin/ineffassign ./...; \
	done

# The versions are in tools/go.mod.
tools:
	@GOWORK=off go build -C tools -o ../.bin/ tool

tidy:
	@set -e; for m in $(MODULES) $(CURDIR)/tools; do \
		echo "go mod tidy -diff: $$m"; \
		GOWORK=off go -C $$m mod tidy -diff; \
	done

# vet compiles the tests too.
cross:
	@set -e; for p in $(CROSS); do \
		echo "go vet: $$p"; \
		GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=0 go vet work; \
	done

fuzz:
	@set -e; for m in $(MODULES); do \
		cd $$m; \
		packages=$$(go list ./...); \
		for p in $$packages; do \
			tests=$$(go test -list '^Fuzz' $$p); \
			for f in $$(echo "$$tests" | grep '^Fuzz'); do \
				echo "$$p $$f"; \
				go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$p; \
			done; \
		done; \
	done

bench:
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) work

bench-once:
	go test -run '^$$' -bench . -benchtime 1x work

examples:
	bash examples/run.sh
