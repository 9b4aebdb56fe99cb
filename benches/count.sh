#!/usr/bin/env bash
# Instructions and allocations of each step, an order, counted by valgrind: the same on a busy machine.
#   benches/count.sh            prints them
#   benches/count.sh --check    exits 1 where one is more than 5 % above benches/counts.txt
#   benches/count.sh --record   writes benches/counts.txt
set -euo pipefail
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || { echo "valgrind is missing: apt-get install valgrind" >&2; exit 1; }
steps=${STEPS:-decode seal encode intake engine_place_200_nodes engine_cancel_200_nodes journal rows}
count=1000
# Cells are made one command each: under valgrind a million would take an hour.
export ROUTER_BENCH_CELLS=10000
cargo build --release --locked --quiet -p router-benches
program=${CARGO_TARGET_DIR:-target}/release/router-benches

# Instructions and allocated blocks of one run.
counted() {
    local out
    out=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$@" 2>&1 | awk '/Collected/ {print $NF}')
    printf '%s ' "$out"
    valgrind --tool=dhat --dhat-out-file=/dev/null "$program" "$@" 2>&1 | awk '/Total:/ {gsub(",", "", $6); print $6}'
}

table=$(
    for step in $steps; do
        read -r with with_blocks < <(counted "$step" "$count")
        read -r without without_blocks < <(counted "$step" "$count" prepare)
        printf '%s %d %d\n' "$step" $(((with - without) / count)) $(((with_blocks - without_blocks) / count))
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
