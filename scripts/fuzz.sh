#!/usr/bin/env bash
# Usage: scripts/fuzz.sh DURATION
#
# Fuzzes every Fuzz target of the SDK and of the reference server for DURATION
# each, one after the other, and stops at the first failure.
set -euo pipefail
cd "$(dirname "$0")/.."

duration=${1:?usage: scripts/fuzz.sh DURATION, for example 10s}
go=${GO:-go}

# Each line is "DIRECTORY TARGET".
targets=$(find . -name '*_test.go' -not -path './examples/*' \
	-exec grep -HoE '^func Fuzz[A-Za-z0-9_]*' {} + |
	sed -E 's,/[^/]*:func , ,' | sort)

if [ -z "$targets" ]; then
	echo "no fuzz targets"
	exit 0
fi

# Go's fuzzer may fail at the end of its time with nothing but "context deadline
# exceeded" (golang.org/issue/75804): no input is to blame, so that run is made
# again. A failing input is always written down, and is never passed over.
spurious() {
	grep -qx ' *context deadline exceeded' "$1" && ! grep -q 'Failing input written' "$1"
}

out=$(mktemp)
trap 'rm -f "$out"' EXIT

while read -r dir target; do
	for try in 1 2 3; do
		echo "fuzz $dir $target"
		"$go" -C "$dir" test -run '^$' -fuzz "^$target\$" -fuzztime "$duration" -fuzzminimizetime 2s . 2>&1 </dev/null |
			tee "$out" && break
		if [ "$try" -eq 3 ] || ! spurious "$out"; then
			exit 1
		fi
	done
done <<<"$targets"
