#!/usr/bin/env bash
# Tests the HTTP API of the built program against the OpenAPI document that it serves, with requests made by schemathesis.
# Fails on any 5xx, on a status, header or body that the document does not have, on measurements that Prometheus would not
# read, and on whatever the audit finds afterwards. EXAMPLES=N sends more.
set -euo pipefail
cd "$(dirname "$0")/.."
environment=target/schemathesis
requirements=deploy/schemathesis/requirements.txt
if ! cmp -s "$requirements" "$environment/installed.txt"; then
    rm -rf "$environment"
    python3 -m venv "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements"
    cp "$requirements" "$environment/installed.txt"
fi

cargo build --quiet --locked --bin router
folder=$(mktemp -d)
router=
# shellcheck disable=SC2317 # the trap calls it
end() {
    [ -z "$router" ] || kill "$router" 2>/dev/null || true
    wait || true
    rm -rf "$folder"
}
trap end EXIT
: >"$folder/log"
target/debug/router run --listen 127.0.0.1:0 --data-dir "$folder/data" 2>"$folder/log" &
router=$!
until grep -q 'ready on' "$folder/log"; do
    kill -0 "$router" || { cat "$folder/log"; exit 1; }
    sleep 0.1
done
base=$(grep -oE 'http://[0-9.:]+' "$folder/log" | head -1)

"$environment/bin/openapi-spec-validator" schemas/openapi.json
checks=not_a_server_error,status_code_conformance,content_type_conformance
checks+=,response_headers_conformance,response_schema_conformance
# The stream of a node does not end by itself; tests/stores of the server read it.
status=0
SCHEMATHESIS_HOOKS=hooks PYTHONPATH=deploy/schemathesis PYTHONDONTWRITEBYTECODE=1 \
    "$environment/bin/schemathesis" run "$base/v1/openapi.json" --checks "$checks" --phases examples,coverage,fuzzing \
    --exclude-path '/v1/nodes/{node}/stream' \
    --max-examples "${EXAMPLES:-5}" --seed 20260504 --request-timeout 30 --warnings off --no-color || status=$?
"$environment/bin/python" -c 'import sys, urllib.request as r; sys.stdout.write(r.urlopen(sys.argv[1]).read().decode())' \
    "$base/metrics" | "$environment/bin/python" deploy/schemathesis/metrics.py
kill "$router"
wait "$router"
router=
if grep -n 'panicked' "$folder/log"; then exit 1; fi
target/debug/router audit --data-dir "$folder/data"
exit $status
