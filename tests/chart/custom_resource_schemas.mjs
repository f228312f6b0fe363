// Validates custom resources, one JSON object per line on standard input, against the schemas of their kinds. Unknown fields
// are errors too: the schemas accept them, and an API server would drop them. There must be an object of each kind: of those
// in the arguments, or else of all.
import { createInterface } from "node:readline";
import { HTTPRoute } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute";
import { BackendConfig } from "@kubernetes-models/gke/cloud.google.com/v1/BackendConfig";
import { HealthCheckPolicy } from "@kubernetes-models/gke/networking.gke.io/v1/HealthCheckPolicy";
import { PodMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor";
import { PrometheusRule } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule";
import { ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor";

const KINDS = { BackendConfig, HTTPRoute, HealthCheckPolicy, PodMonitor, PrometheusRule, ServiceMonitor };
const ANY = null; // an object with any keys, such as labels
const value = {}; // a scalar, so an object without keys
const relabelings = { sourceLabels: value, targetLabel: value, regex: value, replacement: value, separator: value, modulus: value, action: value };
const healthCheck = { checkIntervalSec: value, timeoutSec: value, healthyThreshold: value, unhealthyThreshold: value };
const httpCheck = { portSpecification: value, port: value, requestPath: value };
const monitor = (endpoints) => ({
    jobLabel: value,
    selector: { matchLabels: ANY },
    namespaceSelector: { matchNames: value },
    [endpoints]: {
        port: value, path: value, scheme: value, interval: value, scrapeTimeout: value, relabelings, metricRelabelings: relabelings,
        tlsConfig: { insecureSkipVerify: value, serverName: value, ca: ANY },
    },
});
/** The known fields of each spec. A list has the fields of its items. If the chart sets another field, it is misspelt, or add it here. */
const SPECS = {
    BackendConfig: { healthCheck: { ...healthCheck, type: value, port: value, requestPath: value } },
    HealthCheckPolicy: {
        default: { ...healthCheck, config: { type: value, httpHealthCheck: httpCheck, httpsHealthCheck: httpCheck } },
        targetRef: { group: value, kind: value, name: value },
    },
    HTTPRoute: {
        parentRefs: { name: value, namespace: value, sectionName: value },
        hostnames: value,
        rules: { matches: { path: { type: value, value } }, timeouts: { request: value, backendRequest: value }, backendRefs: { name: value, port: value } },
    },
    PodMonitor: monitor("podMetricsEndpoints"),
    PrometheusRule: {
        groups: { name: value, rules: { record: value, alert: value, expr: value, for: value, labels: ANY, annotations: ANY } },
    },
    ServiceMonitor: monitor("endpoints"),
};
/** Throws if the value has a field that is not known. */
const rejectUnknownFields = (path, found, known) => {
    if (Array.isArray(found)) return found.forEach((item, i) => rejectUnknownFields(`${path}[${i}]`, item, known));
    if (known === ANY || found === null || typeof found !== "object") return;
    for (const [key, inner] of Object.entries(found)) {
        if (!Object.hasOwn(known, key)) throw new Error(`${path}: unknown field ${key}`);
        rejectUnknownFields(`${path}.${key}`, inner, known[key]);
    }
};

const counts = {};
for await (const line of createInterface({ input: process.stdin })) {
    const object = JSON.parse(line);
    const name = `${object.kind}/${object.metadata.name}`;
    const Kind = KINDS[object.kind];
    if (!Kind) throw new Error(`${name}: unknown kind`);
    new Kind(object).validate();
    rejectUnknownFields(name, object, { apiVersion: value, kind: value, metadata: { name: value, namespace: value, labels: ANY, annotations: ANY }, spec: SPECS[object.kind] });
    counts[object.kind] = (counts[object.kind] ?? 0) + 1;
}
const expected = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(KINDS);
const missing = expected.filter((kind) => !counts[kind]);
if (missing.length) throw new Error(`no rendering contains ${missing}`);
console.log("custom resources:", JSON.stringify(counts));
