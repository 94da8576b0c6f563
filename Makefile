# The commands of this repository. `make check` is what CI runs.
#
# The modules are those of go.work; `go test work` tests them all.

MODULES  := $(shell go list -m -f '{{.Dir}}')
FUZZTIME ?= 20s
BENCH    ?= .
COUNT    ?= 1
CROSS    := linux/arm64 darwin/arm64 windows/amd64
TOOLS    := honnef.co/go/tools/cmd/staticcheck github.com/kisielk/errcheck github.com/gordonklaus/ineffassign

.PHONY: check test race assert lint tools tidy cross fuzz bench bench-once examples

check: test lint tidy race assert bench-once cross examples

test:
	go test work

race:
	go test -race work

# Invariants that cost too much to be asserted always.
assert:
	go test -tags futures_assert ./...

lint: tools
	@test -z "$$(gofmt -l $(MODULES))" || { echo "gofmt would change:"; gofmt -l $(MODULES); exit 1; }
	go vet work
	@for m in $(MODULES); do \
		echo "staticcheck, errcheck, ineffassign in $$m"; \
		(cd $$m && "$(CURDIR)/.bin/staticcheck" ./... && \
			"$(CURDIR)/.bin/errcheck" -ignoretests -exclude "$(CURDIR)/tools/errcheck.txt" ./... && \
			"$(CURDIR)/.bin/ineffassign" ./...) || exit 1; \
	done

tools:
	@cd tools && GOWORK=off go build -o ../.bin/ $(TOOLS)

tidy:
	@for m in $(MODULES) $(CURDIR)/tools; do (cd $$m && GOWORK=off go mod tidy -diff) || exit 1; done

# vet compiles the tests too.
cross:
	@for p in $(CROSS); do \
		echo "vet for $$p"; \
		GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=0 go vet work || exit 1; \
	done

fuzz:
	@for m in $(MODULES); do \
		(cd $$m && for p in $$(go list ./...); do \
			for f in $$(go test -list '^Fuzz' $$p | grep ^Fuzz); do \
				echo "$$p $$f"; \
				go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$p || exit 1; \
			done; \
		done) || exit 1; \
	done

bench:
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) work

bench-once:
	go test -run '^$$' -bench . -benchtime 1x work

examples:
	bash examples/run.sh
