// Checks an HTTPRoute against the schema of its kind. Usage: gateway.mjs FILE, in JSON
import { readFileSync } from "node:fs";
import { HTTPRoute } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute";

new HTTPRoute(JSON.parse(readFileSync(process.argv[2], "utf8"))).validate();
