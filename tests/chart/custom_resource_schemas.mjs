// Checks custom resources, one JSON a line on standard input, against the schemas of their kinds: and strictly, since
// those schemas let unknown fields pass (an API server drops them).
import { createInterface } from "node:readline";
import { HTTPRoute } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute";
import { PodMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor";
import { PrometheusRule } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule";
import { ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor";

const KINDS = { HTTPRoute, PodMonitor, PrometheusRule, ServiceMonitor };
const ANY = null; // whatever keys there are, as of labels
const value = {}; // no object, so without keys
const monitor = (endpoints) => ({
    selector: { matchLabels: ANY },
    namespaceSelector: { matchNames: value },
    [endpoints]: { port: value, path: value, interval: value, scrapeTimeout: value },
});
/** What may stand where, a list as each of its entries; a chart that says more has misspelt it, or adds it here. */
const SPECS = {
    HTTPRoute: {
        parentRefs: { name: value, namespace: value, sectionName: value },
        hostnames: value,
        rules: { matches: { path: { type: value, value } }, backendRefs: { name: value, port: value } },
    },
    PodMonitor: monitor("podMetricsEndpoints"),
    PrometheusRule: {
        groups: { name: value, rules: { record: value, alert: value, expr: value, for: value, labels: ANY, annotations: ANY } },
    },
    ServiceMonitor: monitor("endpoints"),
};
const refuse = (where, found, known) => {
    if (Array.isArray(found)) return found.forEach((one, i) => refuse(`${where}[${i}]`, one, known));
    if (known === ANY || found === null || typeof found !== "object") return;
    for (const [key, inner] of Object.entries(found)) {
        if (!Object.hasOwn(known, key)) throw new Error(`${where}: unknown ${key}`);
        refuse(`${where}.${key}`, inner, known[key]);
    }
};

const seen = {};
for await (const line of createInterface({ input: process.stdin })) {
    const object = JSON.parse(line);
    const name = `${object.kind}/${object.metadata.name}`;
    const Kind = KINDS[object.kind];
    if (!Kind) throw new Error(`${name} is of no kind that is known here`);
    new Kind(object).validate();
    refuse(name, object, { apiVersion: value, kind: value, metadata: { name: value, namespace: value, labels: ANY, annotations: ANY }, spec: SPECS[object.kind] });
    seen[object.kind] = (seen[object.kind] ?? 0) + 1;
}
const unseen = Object.keys(KINDS).filter((kind) => !seen[kind]);
if (unseen.length) throw new Error(`no values render ${unseen}`);
console.log("custom resources:", JSON.stringify(seen));
