"""Reads measurements on standard input as Prometheus does; fails where they are not in its format."""

import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

families = list(text_string_to_metric_families(sys.stdin.read()))
print(f"{len(families)} families of measurements are well formed")
sys.exit(0 if families else 1)
