#!/usr/bin/env bash
# Drives `godwit up` with the unmodified az. The command line is large (some 700 MB) and is kept in a
# virtual environment of its own, outside of the tree, for the next time.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
which=$(sha256sum "$here/requirements.txt" | cut -c1-12)
venv="${XDG_CACHE_HOME:-$HOME/.cache}/godwit/az-$which"

if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
  echo "Installing az into $venv; this takes some minutes, once." >&2
  python3 -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$venv/installed.txt"
fi
binary="${CARGO_TARGET_DIR:-$top/target}/debug/godwit"
engines="${*:-valkey}"
for engine in $engines; do
  "$venv/bin/python" "$here/scenario.py" "$binary" "$engine"
done
