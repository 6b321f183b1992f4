#!/bin/sh
# Fetches the peers that haechi is measured against: the newest HAProxy and nginx that Debian has.
#
# A distribution's own HAProxy is years old and no fair peer. So the packages come from Debian's newest
# suite, with an apt state of their own, and are only unpacked, under bench/.peers: nothing is installed,
# no maintainer script runs, and the system's apt never hears of the suite. Each peer is started through
# the dynamic loader that came with it, because its libc is newer than the system's.
#
# Refuses: a HAProxy older than 3.2 or an nginx older than 1.29, and a peer with a missing library.
set -eu

suite="${BENCH_SUITE:-sid}"
here="$(cd "$(dirname "$0")" && pwd)"
peers="$here/.peers"
work="$peers/work"
root="$peers/root"

say() { printf 'peers: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

for tool in apt-get apt-cache dpkg-deb dpkg; do
    command -v "$tool" >/dev/null || die "$tool is missing: the peers come from Debian packages, so this runs on Debian or Ubuntu only"
done

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

# The mirror that this machine already uses; the public one where none is configured.
mirror="$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null \
    | awk '$1 == "Debian" && $2 !~ /security/ { print $2; exit }')"
mirror="${mirror:-http://deb.debian.org/debian/}"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -f "$keyring" ] || die "$keyring is missing: apt-get install debian-archive-keyring"

rm -rf "$peers"
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/etc/apt.conf.d" \
    "$work/etc/preferences.d" "$work/debs" "$root"
: >"$work/state/status"
cat >"$work/apt.conf" <<CONF
Dir::State "$work/state";
Dir::State::status "$work/state/status";
Dir::Cache "$work/cache";
Dir::Etc "$work/etc";
Acquire::Languages "none";
APT::Architecture "$(dpkg --print-architecture)";
CONF
export APT_CONFIG="$work/apt.conf"

update() {
    printf 'deb [signed-by=%s%s] %s %s main\n' "$keyring" "$1" "$mirror" "$suite" >"$work/etc/sources.list"
    apt-get update >"$work/update.log" 2>&1 && ! grep -q '^E:' "$work/update.log"
}

say "reading $suite from $mirror"
if ! update ""; then
    # A mirror that lags has an index past its date. Its signature is still checked; only the promise
    # that nothing newer exists is gone, and the versions found are printed below.
    grep -q 'is expired' "$work/update.log" || { cat "$work/update.log" >&2; die "cannot read $suite"; }
    say "the mirror's $suite index is past its date (a lagging mirror): taking it as it is, signature checked"
    update " check-valid-until=no" || { cat "$work/update.log" >&2; die "cannot read $suite"; }
fi

wanted="haproxy nginx libnginx-mod-stream"
# shellcheck disable=SC2086  # a list of package names
libraries="$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
    --no-replaces --no-enhances $wanted | grep -E '^(lib[^ ]*|zlib1g)$' | sort -u)"
say "fetching $wanted and $(echo "$libraries" | wc -l) libraries"
# shellcheck disable=SC2086  # lists of package names
(cd "$work/debs" && apt-get download -qq $wanted $libraries >"$work/download.log" 2>&1) \
    || { cat "$work/download.log" >&2; die "download failed"; }
for deb in "$work"/debs/*.deb; do
    dpkg-deb -x "$deb" "$root"
done

loader="$(find "$root" -name 'ld-linux*.so*' | sort | head -n 1)"
[ -n "$loader" ] || die "no dynamic loader in libc6"
libdir="$(dirname "$(find "$root" -name 'libc.so.6' | head -n 1)")"
module="$(find "$root" -name 'ngx_stream_module.so' | head -n 1)"
[ -n "$module" ] || die "libnginx-mod-stream holds no ngx_stream_module.so"

# One small launcher per peer, so that the runner needs no idea of loaders.
launcher() {
    [ -x "$root/usr/sbin/$1" ] || die "no $1 in its package"
    if "$loader" --library-path "$libdir" --list "$root/usr/sbin/$1" | grep 'not found' >&2; then
        die "$1 misses a library"
    fi
    printf '#!/bin/sh\nexec "%s" --library-path "%s" "%s" "$@"\n' "$loader" "$libdir" "$root/usr/sbin/$1" >"$peers/$1"
    chmod +x "$peers/$1"
}
launcher haproxy
launcher nginx
ln -s "$module" "$peers/ngx_stream_module.so"

haproxy="$("$peers/haproxy" -v | sed -n 's/^HAProxy version \([0-9.]*\).*/\1/p')"
nginx="$("$peers/nginx" -v 2>&1 | sed -n 's/.*nginx\/\([0-9.]*\).*/\1/p')"
dpkg --compare-versions "$haproxy" ge 3.2 || die "$suite has HAProxy $haproxy, older than 3.2: set BENCH_SUITE to a newer suite"
dpkg --compare-versions "$nginx" ge 1.29 || die "$suite has nginx $nginx, older than 1.29: set BENCH_SUITE to a newer suite"
rm -rf "$work"
# Written last: its presence says that everything above went well.
printf 'haproxy %s\nnginx %s\nsuite %s\n' "$haproxy" "$nginx" "$suite" >"$peers/versions"
say "ready: HAProxy $haproxy, nginx $nginx from $suite"
