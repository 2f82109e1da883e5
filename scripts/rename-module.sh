#!/usr/bin/env bash
# Usage: scripts/rename-module.sh NEW/PATH
#
# Gives the root module a new path, everywhere it is written: go.mod files,
# imports, documents, the Makefile. Nested modules keep their place below it.
# It then builds every module. Nothing is committed.
set -euo pipefail
cd "$(dirname "$0")/.."

refuse() {
	echo "rename-module: $1" >&2
	echo "usage: scripts/rename-module.sh NEW/PATH, for example git.corp.example/mdm/enrollkit" >&2
	exit 2
}

[ $# -eq 1 ] || refuse "want exactly one argument, got $#"
new=$1
old=$(sed -n 's/^module //p' go.mod)

case $new in
"") refuse "the new path is empty" ;;
*://*) refuse "\"$new\" is a URL; a module path has no scheme" ;;
/* | */) refuse "\"$new\" begins or ends with a slash" ;;
"$old") refuse "the module is already called \"$new\"" ;;
esac
[[ $new =~ ^[A-Za-z0-9._~/-]+$ ]] || refuse "\"$new\" has a character that a module path cannot have"
[[ $new =~ ^[a-z0-9][a-z0-9-]*(\.[a-z0-9-]+)+(/|$) ]] ||
	refuse "\"$new\" does not begin with a host name, in lower case and with a dot"
[[ /$new/ != *//* ]] || refuse "\"$new\" has an empty element"
[[ /$new/ != */.* && /$new/ != *./* ]] || refuse "\"$new\" has an element that begins or ends with a dot"
[[ ! $new =~ [/.]v[0-9]+$ ]] || refuse "\"$new\" ends in a major version; version 0 and 1 have none"

# The mark keeps a new path that contains the old one from being found again.
mark=$'\001'
copy=$(mktemp)
trap 'rm -f "$copy"' EXIT
renamed=0
while IFS= read -r file; do
	sed -E -e ':again' \
		-e "s#(^|[^A-Za-z0-9._-])${old//./\\.}([^A-Za-z0-9_-]|\$)#\1$mark\2#" -e 'tagain' \
		-e "s#$mark#$new#g" "$file" >"$copy"
	cmp -s "$file" "$copy" && continue
	cat "$copy" >"$file"
	renamed=$((renamed + 1))
	# Imports are sorted by path.
	case $file in *.go) gofmt -w "$file" ;; esac
done < <(grep -rIlF --exclude-dir=.git -e "$old" .)

while IFS= read -r mod; do
	dir=$(dirname "$mod")
	case $dir in
	. | ./refserver) go -C "$dir" build ./... ;;
	*) GOWORK=off go -C "$dir" build ./... ;;
	esac
done < <(find . -name go.mod)

echo "renamed $old to $new in $renamed files; every module builds"
