#!/usr/bin/env bash
# Runs the engines' own test suites, and those of client libraries, against an engine directly and
# through a gateway, and compares what passes. Each counts as often as it ran.
#
#   scripts/suites/run.sh [--direct | --gateway] [redis] [valkey] [redis-py] [valkey-py]
#
# Without names: all four. --direct: without the gateway, to see what an engine passes by itself.
# --gateway: through the gateway alone, compared with what passed directly the last time.
# GATEWAY names the gateway's example, built with the feature `testing`; WORK the directory where the
# suites are kept (target/suites). Exit code 1: something passes directly that does not through the
# gateway.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$PWD

say() { printf '%s\n' "$*" >&2; }
fail() {
  say "error: $1"
  [ $# -lt 2 ] || say "
hint: $2"
  exit 1
}

target=${CARGO_TARGET_DIR:-target}
gateway=${GATEWAY:-$target/release/examples/gateway}
work=${WORK:-$target/suites}
ways='direct gateway' compared='direct gateway'
suites=
for argument in "$@"; do
  case $argument in
    --direct) ways=direct compared=direct ;;
    --gateway) ways=gateway ;;
    redis | valkey | redis-py | valkey-py) suites="$suites $argument" ;;
    *) fail "unknown suite: $argument" "redis, valkey, redis-py, valkey-py" ;;
  esac
done
[ -n "$suites" ] || suites='redis valkey redis-py valkey-py'
if [ "$ways" != direct ]; then
  [ -x "$gateway" ] || fail "there is no gateway at $gateway" \
    "cargo build --release --package gateway --example gateway --features testing"
  gateway=$(realpath "$gateway")
fi

scripts/suites/fetch.sh "$work"
cd "$work"
work=$PWD
mkdir -p run results

engine_port=24000
gateway_port=24001
base_port=24111
password=$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')
engine_pid=
gateway_pid=

# Whatever a suite has left in it, a busy script or a pause, ends with it.
stop() {
  [ -z "$gateway_pid" ] || kill "$gateway_pid" 2>/dev/null || true
  [ -z "$engine_pid" ] || kill -9 "$engine_pid" 2>/dev/null || true
  wait 2>/dev/null || true
  engine_pid= gateway_pid=
}
trap stop EXIT

# Starts engine `$1`, and the gateway before it where the way is `$2` = gateway. Both ways have the
# same engine with the same users.
start() {
  rm -rf run/engine
  mkdir -p run/engine
  "$1-server" --port $engine_port --bind 127.0.0.1 --save '' --dir "$work/run/engine" \
    --enable-protected-configs yes --enable-debug-command yes --enable-module-command yes \
    --user godwit-client on ">$password" '~*' '&*' '+@all' >run/engine.log 2>&1 &
  engine_pid=$!
  until "$1-cli" -p $engine_port ping 2>/dev/null | grep -q PONG; do
    kill -0 "$engine_pid" 2>/dev/null || fail "the engine did not start: $(tail -n 1 run/engine.log)"
    sleep 0.1
  done
  port=$engine_port
  [ "$2" = gateway ] || return 0
  "$gateway" "127.0.0.1:$engine_port" "$password" key 0 $gateway_port --open >run/gateway.log 2>&1 &
  gateway_pid=$!
  until "$1-cli" -p $gateway_port ping 2>/dev/null | grep -q PONG; do
    kill -0 "$gateway_pid" 2>/dev/null || fail "the gateway did not start: $(tail -n 1 run/gateway.log)"
    sleep 0.1
  done
  port=$gateway_port
}

# An engine's suite in folder `$2`, without what no gateway can pass: that is left out of both runs.
tcl() {
  local more=()
  cat "$here/scripts/suites/$1.skip" "$here/scripts/suites/gateway.skip" >run/skip
  [ "$1" != valkey ] || more=(--skipunit unit/commandlog --skipunit integration/valkey-cli)
  (cd "$2" && timeout 1800 ./runtest --host 127.0.0.1 --port "$port" --baseport $base_port \
    --durable --timeout 300 --tags '-slow -needs:repl' --skipfile "$work/run/skip" \
    --skipunit unit/acl --skipunit unit/acl-v2 --skipunit unit/auth "${more[@]}")
}

# A client library's suite in folder `$2`, without what needs clusters, modules or TLS files, and what
# logs in as a user of the engine.
python() {
  local url=$1 but='not acl and not auth and not by_user'
  # Of the two that are named, one waits for ever now and then, without a gateway too, and one relies
  # on the order of two connections.
  but+=' and not test_reconnect_socket_error and not invalidate_via_get'
  (cd "$2" && timeout 1800 ../python/bin/pytest -q -rA --tb=no -p no:cacheprovider -p no:warnings \
    -o asyncio_mode=auto --timeout 60 --protocol 3 "--$url-url" "$url://127.0.0.1:$port/0" \
    -m "not onlycluster and not ${url}mod and not ssl" -k "$but" \
    --ignore tests/test_ssl.py --ignore tests/test_cluster.py --ignore tests/test_search.py \
    --ignore tests/test_asyncio/test_cluster.py --ignore tests/test_asyncio/test_search.py \
    --ignore tests/test_credentials.py --ignore tests/test_asyncio/test_credentials.py \
    --ignore tests/test_hash.py --ignore tests/test_asyncio/test_hash.py)
}

for suite in $suites; do
  for way in $ways; do
    say "$suite, $way"
    log=results/$suite.$way.log
    start "${suite%-py}" "$way"
    # A test that fails is counted below.
    case $suite in
      redis) tcl redis redis-7.0.15 >"$log" 2>&1 || true ;;
      valkey) tcl valkey valkey-8.1.1 >"$log" 2>&1 || true ;;
      *-py) python "${suite%-py}" "$suite" >"$log" 2>&1 || true ;;
    esac
    stop
  done
done
exec python3 "$here/scripts/suites/compare.py" results "$compared" $suites
