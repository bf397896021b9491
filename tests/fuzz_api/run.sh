#!/usr/bin/env bash
# Asks a running `godwit up` everything that its OpenAPI document allows, and much that it does not.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
target="${CARGO_TARGET_DIR:-$top/target}"
venv="$target/fuzz-api-venv"

if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
  python3 -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$venv/installed.txt"
fi
exec "$venv/bin/python" "$here/fuzz.py" --godwit "$target/debug/godwit" \
  --schemathesis "$venv/bin/schemathesis" "$@"
