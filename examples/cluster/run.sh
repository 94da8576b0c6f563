#!/usr/bin/env bash
# A cluster of three nodes and two workers on this machine, and a job during which a worker
# and a node are killed. It ends with 0 if the job's result is right in spite of that.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

dir=$(mktemp -d)
pids=()
stop() {
	local status=$?
	trap - EXIT
	kill "${pids[@]}" 2>/dev/null || true
	wait "${pids[@]}" 2>/dev/null || true
	[ "$status" -eq 0 ] || tail -n 20 "$dir"/*.log
	rm -rf "$dir"
	exit "$status"
}
trap stop EXIT

# free PORT: nobody listens there.
free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Six ports in a row that are free.
while base=$((20000 + RANDOM % 10000)); do
	for i in 0 1 2 3 4 5; do free $((base + i)) || continue 2; done
	break
done
peers=127.0.0.1:$((base + 3)),127.0.0.1:$((base + 4)),127.0.0.1:$((base + 5))
urls=nats://127.0.0.1:$base,nats://127.0.0.1:$((base + 1)),nats://127.0.0.1:$((base + 2))

go build -o "$dir/" ./examples/cluster/node ./examples/cluster/worker ./examples/cluster/client

# start NAME COMMAND... runs a program in the background, with its own log.
start() {
	local name=$1
	shift
	"$@" >"$dir/$name.log" 2>&1 &
	pids+=($!)
}

# await NAME TEXT: until a program has printed it.
await() {
	until grep -q "$2" "$dir/$1.log"; do
		kill -0 "${pids[-1]}"
		sleep 0.05
	done
}

for i in 0 1 2; do
	start "node$i" "$dir/node" -name "n$i" -dir "$dir/n$i" \
		-listen "127.0.0.1:$((base + i))" -peer "127.0.0.1:$((base + 3 + i))" -peers "$peers"
done
node=${pids[2]}
for i in 0 1 2; do await "node$i" listens; done
for i in 0 1; do start "worker$i" "$dir/worker" -url "$urls" -workers 1 -lease 2s; done
worker=${pids[3]}

start client "$dir/client" -url "$urls" -replicas 3 -below "${BELOW:-6000000}" -tasks 200
client=${pids[-1]}
await client "of 200 tasks done"
echo "killing a worker"
kill -KILL "$worker"
wait "$worker" 2>/dev/null || true
await client "1.. of 200 tasks done"
echo "killing a node"
kill -KILL "$node"
wait "$node" 2>/dev/null || true
wait "$client"
cat "$dir/client.log"
