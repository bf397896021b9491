#!/usr/bin/env bash
# Installs what building and running Godwit needs beside Rust, on Debian and Ubuntu: the engines
# (valkey-server, redis-server), redis-cli, a C compiler and make. Does nothing when all is there,
# starts no service, and may be run again and again.
#
#   --tests   also what only the tests need: Python with venv, BIND (named) and dig, Node with npm
set -euo pipefail

say() { printf '%s\n' "$*" >&2; }
fail() {
  say "error: $1"
  [ $# -lt 2 ] || say "
hint: $2"
  exit 1
}

for_tests=no
for argument in "$@"; do
  case $argument in
    --tests) for_tests=yes ;;
    *) fail "unknown argument: $argument" "the only one is --tests" ;;
  esac
done

have() { command -v "$1" >/dev/null 2>&1; }

# The packages that are missing, one a line.
missing() {
  have valkey-server || echo valkey-server
  have redis-server || echo redis-server
  have redis-cli || echo redis-tools
  if ! have cc; then
    printf 'gcc\nlibc6-dev\n'
  elif ! echo '#include <stdio.h>' | cc -E - >/dev/null 2>&1; then
    echo libc6-dev
  fi
  have make || echo make
  if [ "$for_tests" = yes ]; then
    python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || echo python3-venv
    have named || [ -x /usr/sbin/named ] || echo bind9
    have dig || echo bind9-dnsutils
    have npm || printf 'nodejs\nnpm\n'
  fi
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# RUNLEVEL=1 keeps package scripts from starting services where no policy says otherwise.
apt() {
  as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get -qq -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 "$@"
}

installable() {
  [ -n "$(apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: *//p' | grep -v '(none)')" ]
}

# Where this machine gets `$1` (a release's code name) from: "URI KEYRING", the keyring empty when
# the source names none. Reads both forms of apt's source files.
source_of() {
  local release=$1 file
  for file in /etc/apt/sources.list.d/*.sources; do
    [ -e "$file" ] || continue
    awk -v release="$release" 'BEGIN { RS = ""; FS = "\n" } {
      uri = ""; key = ""; has_release = 0; has_main = 0; is_binary = 0; enabled = 1
      for (i = 1; i <= NF; i++) {
        line = $i; name = tolower(line); sub(/:.*/, "", name); value = line; sub(/^[^:]*:[ \t]*/, "", value)
        n = split(value, words, /[ \t]+/)
        if (name == "uris") uri = words[1]
        if (name == "signed-by") key = words[1]
        if (name == "enabled" && tolower(words[1]) == "no") enabled = 0
        for (j = 1; j <= n; j++) {
          if (name == "types" && words[j] == "deb") is_binary = 1
          if (name == "suites" && words[j] == release) has_release = 1
          if (name == "components" && words[j] == "main") has_main = 1
        }
      }
      if (enabled && is_binary && has_release && has_main && uri != "") { print uri, key; exit }
    }' "$file"
  done
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -e "$file" ] || continue
    awk -v release="$release" '$1 == "deb" {
      key = ""; at = 2
      if ($2 ~ /^\[/) {
        while (at <= NF) {
          word = $at; gsub(/[][]/, "", word)
          if (word ~ /^signed-by=/) { key = word; sub(/^signed-by=/, "", key) }
          at++
          if ($(at - 1) ~ /\]$/) break
        }
      }
      if ($(at + 1) == release && (" " $0 " ") ~ / main /) { print $at, key; exit }
    }' "$file"
  done
}

# Debian's stable release before 13 has valkey in its backports only.
add_backports() {
  local release=$1 found uri key
  found=$(source_of "$release" | head -n 1)
  [ -n "$found" ] || return 0
  read -r uri key <<<"$found"
  say "adding $release-backports to apt's sources, for valkey-server"
  {
    printf 'Types: deb\nURIs: %s\nSuites: %s-backports\nComponents: main\n' "$uri" "$release"
    [ -z "$key" ] || printf 'Signed-By: %s\n' "$key"
  } | as_root tee /etc/apt/sources.list.d/godwit-backports.sources >/dev/null
  apt update
}

policy=/usr/sbin/policy-rc.d
policy_is_ours=no
forbid_services() {
  [ ! -e "$policy" ] || return 0
  policy_is_ours=yes
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
  as_root chmod 755 "$policy"
}
allow_services() {
  [ "$policy_is_ours" = no ] || as_root rm -f "$policy"
}

# Godwit runs engines of its own, and the tests a BIND; the packages' own services would only hold
# ports 6379 and 53.
disable_service() {
  if have systemctl; then
    as_root systemctl disable --quiet "$1" >/dev/null 2>&1 || true
    [ ! -d /run/systemd/system ] || as_root systemctl stop "$1" >/dev/null 2>&1 || true
  elif have update-rc.d; then
    as_root update-rc.d "$1" disable >/dev/null 2>&1 || true
  fi
}

main() {
  local wanted
  wanted=$(missing)
  # One engine is enough to run; the tests want both.
  if [ "$for_tests" = no ] && { have valkey-server || have redis-server; }; then
    wanted=$(grep -vx -e valkey-server -e redis-server <<<"$wanted" || true)
  fi
  [ -n "$wanted" ] || return 0
  wanted=$(tr '\n' ' ' <<<"$wanted")
  have apt-get || fail "missing on this machine: $wanted" \
    "install them by hand: valkey-server 8 or redis-server 7, redis-cli, a C compiler, make"
  if [ "$(id -u)" != 0 ] && ! have sudo; then
    fail "missing on this machine: $wanted" "run this as root: $0 $*"
  fi
  say "installing $wanted"
  trap allow_services EXIT
  forbid_services
  apt update
  local package release ordinary=()
  release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  for package in $wanted; do
    if [ "$package" = valkey-server ] && ! installable valkey-server \
      && [ "$(. /etc/os-release && echo "$ID")" = debian ] && [ -n "$release" ]; then
      add_backports "$release"
    fi
    if installable "$package"; then
      if [ "$package" = valkey-server ] \
        && apt-cache policy valkey-server | grep "$release-backports" >/dev/null; then
        apt install -y --no-install-recommends -t "$release-backports" valkey-server >/dev/null
      else
        ordinary+=("$package")
      fi
      continue
    fi
    case $package in
      valkey-server | redis-server)
        say "apt has no $package for this release; going on without it"
        ;;
      *) fail "apt has no $package for this release" "install it by hand and try again" ;;
    esac
  done
  if [ ${#ordinary[@]} -gt 0 ]; then
    apt install -y --no-install-recommends "${ordinary[@]}" >/dev/null
  fi
  for package in $wanted; do
    case $package in
      valkey-server | redis-server) disable_service "$package" ;;
      bind9) disable_service named ;;
    esac
  done
  have valkey-server || have redis-server || fail "there is no engine on this machine" \
    "install valkey-server 8 or redis-server 7 by hand"
}

main "$@"
