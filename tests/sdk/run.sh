#!/usr/bin/env bash
# Drives `godwit up` with the unmodified management SDK (azure-mgmt-redis), once with each engine.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
venv="${CARGO_TARGET_DIR:-$top/target}/sdk-venv"

if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
  python3 -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$venv/installed.txt"
fi
binary="${CARGO_TARGET_DIR:-$top/target}/debug/godwit"
for engine in valkey redis; do
  "$venv/bin/python" "$here/lifecycle.py" "$binary" "$engine"
done
"$venv/bin/python" "$here/login.py" "$binary" valkey
