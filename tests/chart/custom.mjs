// Checks custom resources, one JSON a line on standard input, against the schemas of their kinds: and strictly, since
// those schemas let unknown fields pass (an API server drops them).
import { createInterface } from "node:readline";
import { HTTPRoute } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute";
import { PodMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor";
import { PrometheusRule } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule";
import { ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor";

const KINDS = { HTTPRoute, PodMonitor, PrometheusRule, ServiceMonitor };
/** What may stand where; a chart that says more has misspelt it, or adds it here. */
const FIELDS = {
    HTTPRoute: ["parentRefs", "hostnames", "rules"],
    PodMonitor: ["selector", "namespaceSelector", "podMetricsEndpoints"],
    PrometheusRule: ["groups"],
    ServiceMonitor: ["selector", "namespaceSelector", "endpoints"],
};
const INNER = {
    endpoints: ["port", "path", "interval", "scrapeTimeout"],
    podMetricsEndpoints: ["port", "path", "interval", "scrapeTimeout"],
    groups: ["name", "rules"],
    parentRefs: ["name", "namespace", "sectionName"],
};
const refuse = (what, found, known) => {
    const unknown = Object.keys(found).filter((key) => !known.includes(key));
    if (unknown.length) throw new Error(`${what}: unknown ${unknown}`);
};

const seen = {};
for await (const line of createInterface({ input: process.stdin })) {
    const object = JSON.parse(line);
    const name = `${object.kind}/${object.metadata.name}`;
    const Kind = KINDS[object.kind];
    if (!Kind) throw new Error(`${name} is of no kind that is known here`);
    new Kind(object).validate();
    refuse(name, object.spec, FIELDS[object.kind]);
    for (const [field, known] of Object.entries(INNER)) {
        for (const one of object.spec[field] ?? []) refuse(`${name} ${field}`, one, known);
    }
    seen[object.kind] = (seen[object.kind] ?? 0) + 1;
}
const unseen = Object.keys(KINDS).filter((kind) => !seen[kind]);
if (unseen.length) throw new Error(`no values render ${unseen}`);
console.log("custom resources:", JSON.stringify(seen));
