#!/usr/bin/env bash
# Runs the TypeScript host against duvo-mcp, with both lines of the SDK and both
# transports. Needs Go, Node 20 or later, npm and its registry.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
server=
hosts=()
trap 'kill $server "${hosts[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT

cp "$here/package.json" "$here/host.mjs" "$work/"
(cd "$here/../.." && go build -o "$work/duvo-mcp" .)
cd "$work"
npm install --no-audit --no-fund --ignore-scripts --silent

# begin runs a host beside the others: most of their time they wait.
names=()
begin() {
	node host.mjs "$work/duvo-mcp" "${@:2}" >"$work/$1" 2>&1 &
	hosts+=($!) names+=("$1")
}

for revision in 2025-11-25 2026-07-28; do
	begin "stdio, $revision" "$revision"
done

export DUVO_MCP_TOKEN=0123456789abcdef0123456789abcdef
: >"$work/log" # so that it is there when it is looked into
"$work/duvo-mcp" -emulator -elicit all -poll 20ms -wait 3s -http 127.0.0.1:0 2>"$work/log" &
server=$!
for _ in $(seq 600); do
	url=$(sed -n 's/^duvo-mcp: serving //p' "$work/log")
	[ -n "$url" ] && break
	sleep 0.1
done
for revision in 2025-11-25 2026-07-28; do
	begin "Streamable HTTP, $revision" "$revision" -url "$url"
done

failed=0
for i in "${!hosts[@]}"; do
	wait "${hosts[$i]}" || failed=1
	echo "== ${names[$i]}"
	cat "$work/${names[$i]}"
done
exit "$failed"
