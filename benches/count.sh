#!/usr/bin/env bash
# Instructions and allocations of each step, an order or command, counted by valgrind: the same on a busy machine.
#   benches/count.sh            prints them
#   benches/count.sh --check    exits 1 where one is more than 5 % above benches/counts.txt
#   benches/count.sh --record   writes benches/counts.txt
# STEPS names the steps; all, where it is not set. KIND_unwritten is a command without what it writes; less KIND_read, it is
# what deciding costs.
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

# Instructions and allocated blocks within the function that is counted.
counted() {
    valgrind --tool=callgrind --toggle-collect='router_benches::counted*' --callgrind-out-file="$profile" \
        "$program" "$1" "$count" 2>&1 | awk '/Collected/ {printf "%s ", $NF}'
    awk '/^c?fn=/ {
            id = $0; sub(/^c?fn=/, "", id); sub(/\).*/, ")", id)
            name = $0; sub(/^[^)]*\) ?/, "", name)
            if (name != "") {names[id] = name}
            if (/^cfn=/) {callee = names[id]}
        }
        /^calls=/ && callee ~ /^(malloc|calloc|posix_memalign|aligned_alloc)$/ {
            calls = $1; sub(/calls=/, "", calls); blocks += calls
        }
        END {print blocks + 0}' "$profile"
}

table=$(
    for step in $steps; do
        read -r instructions blocks < <(counted "$step")
        printf '%s %d %d\n' "$step" $((instructions / count)) $((blocks / count))
    done
)
printf '%-28s%14s%14s\n' step instructions allocations
awk '{printf "%-28s%14d%14d\n", $1, $2, $3}' <<<"$table"
case ${1:-} in
--record)
    printf '# step, instructions and allocations an order; written by benches/count.sh --record\n%s\n' "$table" >benches/counts.txt
    ;;
--check)
    awk 'NR == FNR {if ($1 != "#") {known[$1] = $2; blocks[$1] = $3} next}
        $1 in known && ($2 > 1.05 * known[$1] + 50 || $3 > 1.05 * blocks[$1] + 1) {
            printf "%s: %d instructions and %d allocations, %d and %d are on record\n", $1, $2, $3, known[$1], blocks[$1]; worse = 1
        } END {exit worse}' benches/counts.txt - <<<"$table"
    ;;
esac
