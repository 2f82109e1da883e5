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

while read -r dir target; do
	echo "fuzz $dir $target"
	"$go" -C "$dir" test -run '^$' -fuzz "^$target\$" -fuzztime "$duration" -fuzzminimizetime 2s .
done <<<"$targets"
