#!/usr/bin/env bash
# Exports to and imports from a blob container (Azurite) and S3-compatible storage (moto), once with each
# engine. Needs Node and Python; what it installs is kept in the target directory.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
target="${CARGO_TARGET_DIR:-$top/target}"
kept="$target/blob"

if ! command -v npm >/dev/null; then
  echo "error: Node is not there; scripts/install-engines.sh --tests installs it" >&2
  exit 1
fi
mkdir -p "$kept"
if ! cmp -s "$here/package.json" "$kept/installed.json"; then
  cp "$here/package.json" "$kept/package.json"
  npm install --silent --no-fund --no-audit --prefix "$kept"
  cp "$here/package.json" "$kept/installed.json"
fi
if ! cmp -s "$here/requirements.txt" "$kept/installed.txt"; then
  python3 -m venv --clear "$kept/venv"
  "$kept/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$kept/installed.txt"
fi
for engine in ${*:-valkey redis}; do
  "$kept/venv/bin/python" "$here/storage.py" "$target/debug/godwit" "$engine" \
    "$kept/node_modules/.bin/azurite-blob" "$kept/venv/bin/moto_server"
done
