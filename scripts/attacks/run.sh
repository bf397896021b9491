#!/usr/bin/env bash
# Sets an engine up with a gateway before it and has scripts/attacks/attack.py attack the gateway:
# slow, many, greedy and malformed clients. Then sslscan and testssl look at its TLS. Arguments are
# handed on to attack.py, such as `--only slow_logins`. GATEWAY names another example than the
# release build's. Exit code 1: something is not as it should be.
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

for program in openssl python3 redis-server sslscan testssl; do
  command -v "$program" >/dev/null || fail "$program is not there" \
    "apt-get install openssl python3 redis-server sslscan testssl.sh"
done
gateway=$(realpath "${GATEWAY:-${CARGO_TARGET_DIR:-target}/release/examples/gateway}")
[ -x "$gateway" ] || fail "there is no gateway at $gateway" \
  "cargo build --release --package gateway --example gateway"

# Two files for each connection through the gateway, and some for itself.
ulimit -n "$(ulimit -Hn)"
most=$(ulimit -n)
[ "$most" != unlimited ] || most=100000
most=$(((most - 1000) / 2))
[ "$most" -le 10000 ] || most=10000

work=$(mktemp -d)
engine=24700 plain=24701 tls=24702
pids=()
stop() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap stop EXIT

cd "$work"
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }
key ca.key
key own.key
openssl req -x509 -new -key ca.key -out ca.pem -days 2 -subj '/CN=attacks' \
  -addext 'keyUsage=critical,keyCertSign'
openssl req -new -key own.key -out own.csr -subj '/CN=cache.attacks.test'
printf 'subjectAltName=DNS:cache.attacks.test,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n' >own.ext
openssl x509 -req -in own.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile own.ext \
  -out own.pem 2>/dev/null

password=$(openssl rand -hex 24)
redis-server --port $engine --bind 127.0.0.1 --save '' --dir "$work" --maxclients 20000 \
  --user godwit-client on ">$password" '~*' '&*' '+@all' >engine.log 2>&1 &
pids+=($!)
"$gateway" "127.0.0.1:$engine" "$password" key $tls $plain own.pem own.key >gateway.log 2>&1 &
pids+=($!)
until REDISCLI_AUTH=key redis-cli -p $plain ping 2>/dev/null | grep -q PONG; do
  for pid in "${pids[@]}"; do
    kill -0 "$pid" 2>/dev/null || fail "it did not start: $(tail -n 3 engine.log gateway.log)"
  done
  sleep 0.1
done

bad=0
python3 "$here/scripts/attacks/attack.py" --plain $plain --tls $tls --key key --pid "${pids[1]}" \
  --ca ca.pem --most "$most" "$@" || bad=1
case $* in *--only*) exit $bad ;; esac

verdict() {
  if [ "$1" = 0 ]; then echo "ok  $2"; else
    echo "BAD $2"
    bad=1
  fi
}
sslscan --no-colour 127.0.0.1:$tls >sslscan.txt
old=$(grep -cE '^(SSLv2|SSLv3|TLSv1.0|TLSv1.1) +enabled' sslscan.txt || true)
weak=$(grep -E '^(Accepted|Preferred)' sslscan.txt | grep -cvE 'GCM|CHACHA20|POLY1305' || true)
verdict "$old" "sslscan: $old versions older than TLS 1.2"
verdict "$weak" "sslscan: $weak weak ciphers of $(grep -cE '^(Accepted|Preferred)' sslscan.txt)"
testssl --quiet --color 0 --warnings off --protocols --vulnerable 127.0.0.1:$tls >testssl.txt 2>&1 || true
# "not vulnerable (OK)" is what every line is to say.
found=$(grep -E 'VULNERABLE|NOT ok' testssl.txt || true)
verdict "$([ -z "$found" ] && grep -q 'not vulnerable' testssl.txt && echo 0 || echo 1)" \
  "testssl: $(grep -c 'not vulnerable' testssl.txt) kinds of attack tried${found:+; $found}"
kill -0 "${pids[1]}" 2>/dev/null || {
  echo "BAD the gateway has ended: $(tail -n 3 gateway.log)"
  bad=1
}
exit $bad
