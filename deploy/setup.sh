#!/usr/bin/env bash
# Installs what the build and the tests need and this machine lacks; with the word `fuzz`, also what fuzzing needs.
# Run again, it does nothing.
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
    # shellcheck disable=SC1091
    [ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"
    command -v cargo >/dev/null || { say "Rust is missing: install it with rustup, at least the version that Cargo.toml names"; exit 77; }
fi

# gcc links Rust programs; ca-certificates lets cargo reach its registry.
[ -x "$(command -v cc || true)" ] || need_packages gcc libc6-dev
need_packages ca-certificates

need_packages shellcheck
# The generator of HTTP requests runs in an environment of its own.
python3 -c 'import ensurepip, venv' 2>/dev/null || need_packages python3 python3-venv
rustup component list --installed 2>/dev/null | grep -q '^clippy' || rustup component add clippy rustfmt
need_tool() {
    [ -x "target/tools/bin/$1" ] && return
    say "building $1 into target/tools (a minute or two, once)"
    CARGO_TARGET_DIR=target/tools/build cargo install --quiet --locked --debug --root target/tools "$1"
    rm -rf target/tools/build
}
need_tool cargo-deny
if [ "${1:-}" = fuzz ]; then
    # libFuzzer is written in C++.
    [ -x "$(command -v c++ || true)" ] || need_packages g++
    need_tool cargo-fuzz
fi
