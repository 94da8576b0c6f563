#!/usr/bin/env bash
# Runs every example once, on small input, and fails if one does.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# run TITLE COMMAND... shows a command and the end of what it prints.
run() {
	echo "-- $1"
	shift
	"$@" >"$scratch/out" 2>&1 || {
		cat "$scratch/out"
		echo "FAILED: $*" >&2
		exit 1
	}
	tail -n 12 "$scratch/out"
}

run first go run ./examples/first README.md LICENSE
run tutorial go run ./examples/tutorial
run squash go run ./examples/squash -on goroutines -workers 2 "$(go env GOROOT)/src/net"
run squash go run ./examples/squash -on processes -workers 2 "$(go env GOROOT)/src/net"
run squash go run ./examples/squash -on cluster -workers 2 "$(go env GOROOT)/src/net"
run "cluster of three nodes" bash examples/cluster/run.sh
# Some of its images are bad, so it ends with 1: go run says so with text.
go build -o "$scratch/thumbnails" ./examples/thumbnails
run thumbnails bash -c '"$0" -demo -out "$1"; [ $? -eq 1 ]' "$scratch/thumbnails" "$scratch/small"
run mandelbrot go run ./examples/mandelbrot -width 600 -out "$scratch/mandelbrot.png"
run sizing go run ./examples/sizing -quick

# fetch needs a server: it downloads this repository's texts from one on this
# machine.
go build -o "$scratch/serve" ./examples/fetch/serve
"$scratch/serve" . >"$scratch/address" &
server=$!
trap 'kill "$server"; rm -rf "$scratch"' EXIT
until [ -s "$scratch/address" ]; do
	kill -0 "$server"
	sleep 0.05
done
base=$(cat "$scratch/address")
printf '%s\n' "$base/README.md" "$base/LICENSE" "$base/CHANGELOG.md" >"$scratch/urls"
run fetch go run ./examples/fetch -dir "$scratch/pages" "$scratch/urls"
cmp README.md "$scratch"/pages/*README.md
