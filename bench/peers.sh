#!/bin/sh
# Fetches the peers that haechi is measured against, under bench/.peers: the newest HAProxy and nginx that Debian
# has (scripts/newest says how, and why nothing is installed).
#
# Refuses: a HAProxy older than 3.2 or an nginx older than 1.29, and a peer with a missing library.
set -eu

suite="${BENCH_SUITE:-sid}"
here="$(cd "$(dirname "$0")" && pwd)"
peers="$here/.peers"

say() { printf 'peers: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# The load generator and the pinning tools are the system's own: their age does not matter, every contender
# meets the same ones.
missing=""
command -v wrk >/dev/null || missing="$missing wrk"
command -v taskset >/dev/null || missing="$missing util-linux"
command -v setpriv >/dev/null || missing="$missing util-linux"
if [ -n "$missing" ]; then
    [ "$(id -u)" = 0 ] || die "missing:$missing. Run as root once, or: sudo apt-get install$missing"
    say "installing$missing"
    apt-get update -qq
    # shellcheck disable=SC2086  # a list of package names
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

if [ "${1:-}" != "--refresh" ] && [ -f "$peers/versions" ] && grep -q "^suite $suite\$" "$peers/versions"; then
    say "already there: $(tr '\n' ',' <"$peers/versions" | sed 's/,$//; s/,/, /g') (--refresh fetches them again)"
    exit 0
fi
NEWEST_SUITE="$suite" NEWEST_AGAIN=1 \
    "$here/../scripts/newest" "$peers" "usr/sbin/haproxy usr/sbin/nginx" "haproxy nginx libnginx-mod-stream"

module="$(find "$peers/root" -name 'ngx_stream_module.so' | head -n 1)"
[ -n "$module" ] || die "libnginx-mod-stream holds no ngx_stream_module.so"
ln -s "$module" "$peers/ngx_stream_module.so"

haproxy="$("$peers/haproxy" -v | sed -n 's/^HAProxy version \([0-9.]*\).*/\1/p')"
nginx="$("$peers/nginx" -v 2>&1 | sed -n 's/.*nginx\/\([0-9.]*\).*/\1/p')"
dpkg --compare-versions "$haproxy" ge 3.2 || die "$suite has HAProxy $haproxy, older than 3.2: set BENCH_SUITE to a newer suite"
dpkg --compare-versions "$nginx" ge 1.29 || die "$suite has nginx $nginx, older than 1.29: set BENCH_SUITE to a newer suite"
# Written last: its presence says that everything above went well.
printf 'haproxy %s\nnginx %s\nsuite %s\n' "$haproxy" "$nginx" "$suite" >"$peers/versions"
say "ready: HAProxy $haproxy, nginx $nginx from $suite"
