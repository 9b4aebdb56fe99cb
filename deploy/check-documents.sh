#!/usr/bin/env bash
# Documents agree with the tree: every relative link leads somewhere, every `make` job they name exists, and
# nothing unfinished is left in the code. Exits 1 with one line for each finding.
set -euo pipefail
cd "$(dirname "$0")/.."
found=0
report() {
    printf '%s\n' "$1"
    found=1
}

while IFS= read -r page; do
    while IFS= read -r target; do
        target=${target%%#*}
        [ -z "$target" ] || [ -e "$(dirname "$page")/$target" ] || report "$page: link to $target leads nowhere"
    done < <(grep -oE '\]\([^)#][^)]*\)' "$page" | sed -E 's/^\]\(//; s/\)$//' | grep -vE '^(https?|mailto):' || true)
    while IFS= read -r job; do
        grep -qE "^$job:" Makefile || report "$page: make $job is no job of the Makefile"
    done < <(grep -oE '(^|`)make [a-z][a-z-]*' "$page" | sed -E 's/.*make //' | sort -u)
done < <(git ls-files '*.md')

while IFS= read -r line; do report "unfinished: $line"; done < <(
    git grep -nIE 'todo!\(|unimplemented!\(|\bTODO\b|\bFIXME\b|\bXXX\b' -- '*.rs' '*.toml' '*.sh' ':!deploy/check-documents.sh' || true
)
while IFS= read -r file; do
    lines=$(wc -l <"$file")
    [ "$lines" -le 450 ] || report "$file: $lines lines; 450 is what one reads in one sitting"
done < <(git ls-files '*.rs' '*.sh')

# The crates' order is the architecture: siblings never import one another.
for folder in router/engine router/log ingest; do
    if grep -E '^router-' "$folder/Cargo.toml" | grep -vE '^router-schemas'; then report "$folder: may depend on router-schemas only"; fi
done
exit $found
