#!/usr/bin/env bash
# Runs every fuzz target for so many seconds (10), from its corpus on. Inputs that reach new code are kept under
# target/fuzz/corpus; one that breaks a property is printed with its place and ends the run with exit code 1.
#
# The installed stable toolchain is enough: coverage comes from flags that are stable, and `unsafe` is forbidden in
# all of our code, so that no sanitizer is needed.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-10}
only=${2:-}
export PATH="$PWD/target/tools/bin:$PATH"

run() {
    local folder=$1 target=$2
    [ -z "$only" ] || [ "$only" = "$target" ] || return 0
    mkdir -p "target/fuzz/corpus/$target" "target/fuzz/artifacts/$target"
    cp Cargo.lock "$folder/fuzz/Cargo.lock"
    printf 'fuzz: %s for %s s\n' "$target" "$seconds" >&2
    cargo fuzz run --fuzz-dir "$folder/fuzz" --target-dir target/fuzz --sanitizer none "$target" \
        "target/fuzz/corpus/$target" "$folder/fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -max_len=65536 -timeout=20 -rss_limit_mb=1024 -malloc_limit_mb=256 \
        -artifact_prefix="target/fuzz/artifacts/$target/" -print_final_stats=1
}

for target in message lines record body text; do run ingest "$target"; done
run router/log journal
