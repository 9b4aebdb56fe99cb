#!/usr/bin/env bash
# Installs what the build and the tests need and this machine lacks. Run again, it does nothing.
#
#   deploy/setup.sh demo    what `make demo` needs
#   deploy/setup.sh test    what `make test` and `make check` need as well
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
        say "needs root or sudo for: $*"
        exit 77
    fi
}

need_packages() {
    local missing=()
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return
    say "installing Debian packages: ${missing[*]}"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

if ! command -v cargo >/dev/null; then
    [ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"
    command -v cargo >/dev/null || { say "Rust is missing: install it with rustup, at least the version that Cargo.toml names"; exit 77; }
fi

# gcc links Rust programs; ca-certificates lets cargo reach its registry.
[ -x "$(command -v cc || true)" ] || need_packages gcc libc6-dev
need_packages ca-certificates

if [ "${1:-demo}" = test ]; then
    need_packages python3 python3-venv shellcheck
    rustup component list --installed 2>/dev/null | grep -q '^clippy' || rustup component add clippy rustfmt
    # An API generator that nobody here wrote: it tests the gateway against its own OpenAPI document.
    venv=target/tools/venv
    if ! [ -x "$venv/bin/schemathesis" ]; then
        say "installing schemathesis into $venv"
        python3 -m venv "$venv" || { need_packages python3-venv; python3 -m venv --clear "$venv"; }
        "$venv/bin/pip" install --quiet --disable-pip-version-check 'schemathesis>=4,<5'
    fi
    if ! [ -x target/tools/bin/cargo-deny ]; then
        say "building cargo-deny into target/tools (some minutes, once)"
        CARGO_TARGET_DIR=target/tools/build cargo install --quiet --locked --debug --root target/tools cargo-deny
        rm -rf target/tools/build
    fi
fi
