#!/usr/bin/env bash
# Instructions of each step, an order or command, counted by valgrind: the same on a busy machine.
#   benches/count.sh            prints them
#   benches/count.sh --check    exits 1 where one is more than 5 % above benches/counts.txt
#   benches/count.sh --record   writes benches/counts.txt
# STEPS names the steps; all, where it is not set. KIND_unwritten is a command without what it writes; less KIND_read, it is
# what deciding costs. Allocations are counted by a test (tests/allocations.rs).
set -euo pipefail
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || { echo "valgrind is missing: apt-get install valgrind" >&2; exit 1; }
count=250
# Cells are made one command each: under valgrind a million would take an hour.
export ROUTER_BENCH_CELLS=10000
cargo build --release --locked --quiet -p router-benches
program=${CARGO_TARGET_DIR:-target}/release/router-benches
steps=${STEPS:-$("$program" 2>&1 | sed 's/.*steps: //' || true)}
profile=$(mktemp)
trap 'rm -f "$profile"' EXIT

# Instructions within the function that is counted.
counted() {
    valgrind --tool=callgrind --toggle-collect='router_benches::counted*' --callgrind-out-file="$profile" \
        "$program" "$1" "$count" 2>&1 | awk '/Collected/ {print $NF}'
}

table=$(for step in $steps; do printf '%s %d\n' "$step" $(($(counted "$step") / count)); done)
printf '%-32s%14s\n' step instructions
awk '{printf "%-32s%14d\n", $1, $2}' <<<"$table"
case ${1:-} in
--record)
    printf '# step, instructions an order or command; written by benches/count.sh --record\n%s\n' "$table" >benches/counts.txt
    ;;
--check)
    awk 'NR == FNR {if ($1 != "#") {known[$1] = $2} next}
        $1 in known && $2 > 1.05 * known[$1] + 50 {
            printf "%s: %d instructions, %d are on record\n", $1, $2, known[$1]; worse = 1
        } END {exit worse}' benches/counts.txt - <<<"$table"
    ;;
esac
