"""Decodes a push of metrics by the official Python classes of OTLP, and compares it with /metrics of the same replica.

    check.py SERVER        SERVER is the program

The receiver is a stand-in for an OpenTelemetry collector: it decodes what one decodes, and answers as one answers. The page
is read by the parser of prometheus-client. So neither side shares code with the server.
"""

import contextlib
import http.server
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from prometheus_client.parser import text_string_to_metric_families

WAIT = 60  # seconds for the server to start and to end
# What differs between a scrape and the last push: the process, and the reading itself.
CHANGING = (
    "process_", "rendezvous_connections", "rendezvous_http_requests_in_flight", "rendezvous_lifecycle_phase",
    "rendezvous_metric_exports", "rendezvous_sessions_live", "rendezvous_store_operation",
)  # fmt: skip


class Receiver(http.server.BaseHTTPRequestHandler):
    """Keeps the requests, and accepts each."""

    received = []

    def do_POST(self):
        """Keeps one push."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append((self.path, self.headers["Content-Type"], body))
        answer = metrics_service_pb2.ExportMetricsServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        """Nothing is logged."""


def free_port():
    """Returns a port on which no process listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(url):
    """Returns the body of a page."""
    with urllib.request.urlopen(url, timeout=WAIT) as response:
        return response.read().decode()


def wait_until_ready(url):
    """Waits until the readiness page has the status 200."""
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            get(url)
            return
        time.sleep(0.05)
    sys.exit(f"{url}: not ready after {WAIT} s")


def labels(attributes):
    """Returns attributes as a set of pairs."""
    return frozenset((attribute.key, attribute.value.string_value) for attribute in attributes)


def pushed_samples(message):
    """Returns the type of each metric, and each sample that Prometheus would have of the message."""
    kinds, samples = {}, {}
    cumulative = metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE
    (resource,) = message.resource_metrics
    (scope,) = resource.scope_metrics
    for metric in scope.metrics:
        kind = metric.WhichOneof("data")
        data = getattr(metric, kind)
        if kind == "sum":
            assert data.is_monotonic, metric.name
        if kind != "gauge":
            assert data.aggregation_temporality == cumulative, metric.name
        kinds[metric.name] = {"sum": "counter"}.get(kind, kind)
        for point in data.data_points:
            own = labels(point.attributes)
            if kind != "gauge":
                assert 0 < point.start_time_unix_nano <= point.time_unix_nano, metric.name
            if kind != "histogram":
                samples[metric.name, own] = point.as_double
                continue
            assert point.count == sum(point.bucket_counts), metric.name
            below = 0
            for bound, count in zip([*point.explicit_bounds, math.inf], point.bucket_counts, strict=True):
                below += count
                samples[f"{metric.name}_bucket", own | {("le", bound)}] = below
            samples[f"{metric.name}_sum", own] = point.sum
            samples[f"{metric.name}_count", own] = point.count
    return labels(resource.resource.attributes), kinds, samples


def scraped_samples(page):
    """Returns the type of each metric, and each sample of the page."""
    kinds, samples = {}, {}
    for family in text_string_to_metric_families(page):
        # The parser removes the suffix of a counter.
        kinds[family.name + ("_total" if family.type == "counter" else "")] = family.type
        for sample in family.samples:
            own = {(name, float(value) if name == "le" else value) for name, value in sample.labels.items()}
            samples[sample.name, frozenset(own)] = sample.value
    return kinds, samples


def main(server):
    """Runs the server with a push, and compares its last push with its last page."""
    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    client, admin = (f"127.0.0.1:{free_port()}" for _ in range(2))
    settings = {
        "http.listen": client, "admin.listen": admin, "mode": "open", "telemetry.replica": "worker-7", "shutdown.grace": "1ms",
        "telemetry.metrics.endpoint": f"http://127.0.0.1:{receiver.server_port}", "telemetry.metrics.interval": "1h",
    }  # fmt: skip
    arguments = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RENDEZVOUS_")}
    process = subprocess.Popen([server, "serve", *arguments], env=environment, stderr=subprocess.DEVNULL)
    try:
        wait_until_ready(f"http://{admin}/readyz")
        base = f"http://{client}/_matrix/client/unstable/io.element.msc4388/rendezvous"
        create = urllib.request.Request(base, b'{"data":"x"}', {"Content-Type": "application/json"})
        for _ in range(3):
            urllib.request.urlopen(create, timeout=WAIT).close()
        kinds, scraped = scraped_samples(get(f"http://{admin}/metrics"))
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT) == 0, "the server reports cut connections"
    finally:
        process.kill()
    pushes = Receiver.received
    assert pushes, "expected a push at the end, found none"
    for path, content_type, _ in pushes:
        assert (path, content_type) == ("/v1/metrics", "application/x-protobuf"), (path, content_type)
    message = metrics_service_pb2.ExportMetricsServiceRequest.FromString(pushes[-1][2])
    resource, pushed_kinds, pushed = pushed_samples(message)
    assert {("service.name", "matrix-rendezvous"), ("service.instance.id", "worker-7")} <= resource, resource
    assert pushed_kinds == kinds, set(pushed_kinds.items()) ^ set(kinds.items())
    assert pushed.keys() == scraped.keys(), sorted(map(str, pushed.keys() ^ scraped.keys()))[:10]
    compared = [key for key in scraped if not key[0].startswith(CHANGING)]
    for key in compared:
        assert math.isclose(pushed[key], scraped[key]), (key, pushed[key], scraped[key])
    created = ("rendezvous_sessions_created_total", frozenset({("api", "msc4388")}))
    assert pushed[created] == 3, pushed[created]
    print(f"{len(kinds)} metrics and {len(pushed)} samples are those of /metrics, {len(compared)} of them with the same value;"
          f" a push has {len(pushes[-1][2])} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
