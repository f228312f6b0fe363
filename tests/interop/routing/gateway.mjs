// Validates an HTTPRoute in JSON against its schema. Usage: gateway.mjs FILE
import { readFileSync } from "node:fs";
import { HTTPRoute } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute";

new HTTPRoute(JSON.parse(readFileSync(process.argv[2], "utf8"))).validate();
