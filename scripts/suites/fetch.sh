#!/usr/bin/env bash
# Fetches what `scripts/suites/run.sh` runs into the directory that it is given: the engines' own
# test suites from Debian's source packages, the client libraries' from their source distributions,
# and a Python environment for the latter. What is there already is not fetched again.
set -euo pipefail

say() { printf '%s\n' "$*" >&2; }
fail() {
  say "error: $1"
  [ $# -lt 2 ] || say "
hint: $2"
  exit 1
}

[ $# = 1 ] || fail "which directory?" "scripts/suites/fetch.sh DIRECTORY"
mkdir -p "$1"
cd "$1"
at=$PWD

# The suites that are fetched, and the releases that have them.
redis=7.0.15
valkey=8.1.1
valkey_py=6.0.2
redis_py=5.0.8

command -v apt-get >/dev/null || fail "apt-get is not there" "the engines' suites come from Debian's source packages"
for program in dpkg-source tclsh python3; do
  command -v "$program" >/dev/null || fail "$program is not there" \
    "apt-get install dpkg-dev tcl python3-venv"
done

# An apt of its own, which knows Debian's sources: the machine's is not touched.
sources() {
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg uris uri
  uris=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sort -u | grep '/debian')
  [ -n "$uris" ] || fail "apt has no source of Debian packages"
  mkdir -p apt/parts apt/lists/partial apt/cache/archives/partial
  for uri in $uris; do
    case $uri in
      *security*) suites=bookworm-security ;;
      *) suites='bookworm trixie' ;;
    esac
    printf 'Types: deb-src\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n\n' \
      "$uri" "$suites" "$keyring"
  done >apt/parts/suites.sources
  ours apt-get -qq update
}

ours() {
  local program=$1
  shift
  "$program" -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$at/apt/parts" \
    -o "Dir::State::Lists=$at/apt/lists" -o "Dir::Cache=$at/apt/cache" \
    -o APT::Sandbox::User="$(id -un)" "$@"
}

# The installed engine's own revision of the source where there is one: its tests fit its patches.
fetch_redis() {
  [ ! -L "redis-$redis/src/redis-server" ] || return 0
  rm -rf "redis-$redis"
  local all own
  all=$(ours apt-cache showsrc redis | sed -n "s/^Version: \(.*$redis.*\)/\1/p")
  own=$(dpkg-query -W -f '${source:Version}' redis-server 2>/dev/null || true)
  grep -qxF "$own" <<<"$all" || own=$(head -n 1 <<<"$all")
  ours apt-get -qq source "redis=$own" >&2
  link "redis-$redis" redis
}

# The tests are all in the upstream archive, and Debian's own part may have moved on.
fetch_valkey() {
  [ ! -L "valkey-$valkey/src/valkey-server" ] || return 0
  ours apt-get -qq source --download-only --tar-only valkey >&2
  tar xf valkey_"$valkey"*.orig.tar.*
  link "valkey-$valkey" valkey
}

# The suites expect the programs in their own tree.
link() {
  local program
  for program in benchmark check-aof check-rdb cli server; do
    ln -sf "$(command -v "$2-$program")" "$1/src/$2-$program"
  done
}

fetch_libraries() {
  [ ! -x python/bin/pytest ] || return 0
  local pip="python/bin/pip --quiet --disable-pip-version-check"
  python3 -m venv python
  $pip install 'pytest==8.3.5' 'pytest-asyncio==0.23.8' 'pytest-timeout==2.4.0' packaging cachetools
  $pip download --no-deps --no-binary :all: "valkey==$valkey_py" "redis==$redis_py" --dest sdists
  $pip install "sdists/valkey-$valkey_py.tar.gz" "sdists/redis-$redis_py.tar.gz"
  tar xf "sdists/valkey-$valkey_py.tar.gz"
  tar xf "sdists/redis-$redis_py.tar.gz"
  mv "valkey-$valkey_py" valkey-py
  mv "redis-$redis_py" redis-py
}

if [ ! -L "redis-$redis/src/redis-server" ] || [ ! -L "valkey-$valkey/src/valkey-server" ]; then
  say "fetching the engines' suites"
  sources
  fetch_redis
  fetch_valkey
fi
fetch_libraries
