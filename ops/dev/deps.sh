#!/usr/bin/env bash
# deps.sh PREFIX: build hiredis, libcurl and librdkafka from the next Debian release's source packages.
#
# The mirror is the machine's own. apt checks the signature of the release and the hash of every file against it.
# ops/dev/setup calls this, and calls it again whenever this file changes.
set -euo pipefail

prefix=${1:?usage: deps.sh PREFIX}
next=trixie
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
jobs=$(nproc)
log=$prefix.log
work=

say() { echo "setup: $*" >&2; }

die()
{
    say "$1"
    [ -s "$log" ] && tail -n 15 "$log" >&2
    say "remedy: $2"
    exit 1
}

with_apt() { APT_CONFIG=$work/apt/apt.conf "$@"; }

run() { "$@" >>"$log" 2>&1; }

# Mirrors of the running release, as apt itself sees them: deb822 files and one-line lists alike.
mirrors()
{
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' |
        awk -v suite="$(. /etc/os-release && echo "$VERSION_CODENAME")" '$2 == suite && $3 == "main" && !seen[$1]++ { print $1 }'
}

open_source_archive()
{
    mkdir -p "$work"/apt/lists/partial "$work"/apt/cache/archives/partial "$work"/src
    cat >"$work/apt/apt.conf" <<CONF
Dir::Etc::SourceList "$work/apt/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "$work/apt/lists";
Dir::Cache "$work/apt/cache";
APT::Sandbox::User "root";
Acquire::Retries "3";
CONF
    # Hooks such as docker-clean's need rights we may not have, and clean what isn't ours.
    echo '#clear APT::Update::Post-Invoke;' >>"$work/apt/apt.conf"
    local mirror
    for mirror in $(mirrors); do
        echo "deb-src [signed-by=$keyring] $mirror $next main" >"$work/apt/sources.list"
        run with_apt apt-get update -qq -o APT::Update::Error-Mode=any && return
    done
    die "no configured mirror serves the sources of Debian $next" "check the apt sources and the network, then run ops/dev/setup again"
}

# fetch NAME MIN_VERSION: newest source package that the mirror really has; prints its folder.
# A version can be listed and yet be gone, hence the loop.
fetch()
{
    local version
    cd "$work/src"
    for version in $(with_apt apt-cache showsrc "$1" | awk '/^Version:/ { print $2 }' | sort -ruV); do
        dpkg --compare-versions "$version" ge "$2" || continue
        run with_apt apt-get source -qq "$1=$version" || continue
        ls -d "$work/src/$1"-*/
        return
    done
    die "no usable source package $1 >= $2" "check that the mirror serves Debian $next, then run ops/dev/setup again"
}

build_hiredis()
{
    local dir
    dir=$(fetch hiredis 1.2.0) || return
    run make -C "$dir" -j"$jobs" USE_SSL=1 OPTIMIZATION=-O2 PREFIX="$prefix" LIBRARY_PATH=lib install
}

build_curl()
{
    local dir
    dir=$(fetch curl 8.14.1) || return
    run cmake -S "$dir" -B "$dir/out" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
        -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib \
        -DBUILD_CURL_EXE=OFF -DBUILD_STATIC_LIBS=OFF -DBUILD_LIBCURL_DOCS=OFF -DBUILD_MISC_DOCS=OFF -DBUILD_TESTING=OFF \
        -DENABLE_CURL_MANUAL=OFF -DHTTP_ONLY=ON -DCURL_USE_OPENSSL=ON -DUSE_NGHTTP2=ON -DCURL_ZLIB=ON \
        -DCURL_USE_LIBPSL=OFF -DCURL_USE_LIBSSH2=OFF -DUSE_LIBIDN2=OFF -DCURL_BROTLI=OFF -DCURL_ZSTD=OFF \
        -DCURL_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt || return
    run ninja -C "$dir/out" install
}

# After curl: against the system's libcurl, librdkafka would want symbol versions that a private one lacks.
build_librdkafka()
{
    local dir
    dir=$(fetch librdkafka 2.8.0) || return
    cd "$dir"
    run ./configure --prefix="$prefix" --libdir="$prefix/lib" --enable-ssl --enable-curl --enable-zstd --enable-lz4-ext \
        --CFLAGS="-I$prefix/include" --LDFLAGS="-L$prefix/lib -Wl,-rpath,$prefix/lib" || return
    run make -j"$jobs" -C src || return
    run make -C src install
}

mkdir -p "$(dirname "$prefix")"
prefix=$(cd "$(dirname "$prefix")" && pwd)/$(basename "$prefix")
log=$prefix.log
work=$(mktemp -d "$(dirname "$prefix")/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
: >"$log"
rm -rf "$prefix"
mkdir -p "$prefix"
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
unset MAKEFLAGS MFLAGS

open_source_archive
for name in hiredis curl librdkafka; do
    say "building $name (log: $log)"
    "build_$name" || die "building $name failed" "read $log; mend it and run ops/dev/setup again"
done
