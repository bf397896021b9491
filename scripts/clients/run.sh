#!/usr/bin/env bash
# Installs what scripts/clients/run.py needs below target/clients, and runs it; arguments are handed
# on. GODWIT names another program than the release build.
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { printf '%s\n' "$*" >&2; }
fail() {
  say "error: $1"
  [ $# -lt 2 ] || say "
hint: $2"
  exit 1
}

for program in node npm python3 valkey-cli redis-cli valkey-benchmark redis-benchmark; do
  command -v "$program" >/dev/null || fail "$program is not there" \
    "apt-get install nodejs npm python3-venv valkey-tools redis-tools"
done

target=${CARGO_TARGET_DIR:-target}
work=$target/clients
godwit=${GODWIT:-$target/release/godwit}
[ -x "$godwit" ] || fail "there is no program $godwit" "cargo build --release --package cli"

mkdir -p "$work"
if [ ! -x "$work/python/bin/python" ]; then
  python3 -m venv "$work/python"
  "$work/python/bin/pip" --quiet --disable-pip-version-check install 'redis==8.1.0'
fi
if [ ! -d "$work/modules/node_modules/ioredis" ]; then
  mkdir -p "$work/modules"
  npm --prefix "$work/modules" --silent install --no-audit --no-fund ioredis@6.0.0 >&2
fi
# A module finds its packages beside itself.
cp scripts/clients/ioredis.mjs "$work/modules/"
CARGO_TARGET_DIR=$work/redis-rs ${CARGO:-cargo} build --quiet --release --locked \
  --manifest-path scripts/clients/redis-rs/Cargo.toml

exec "$work/python/bin/python" scripts/clients/run.py --godwit "$godwit" \
  --modules "$work/modules" --redis-rs "$work/redis-rs/release/clients-redis-rs" "$@"
