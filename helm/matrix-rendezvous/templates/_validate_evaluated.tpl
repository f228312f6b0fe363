{{/* Errors in values that contain a template, one line each. The schema checks all other values by the same patterns. Part of
     rendezvous.validate. */}}
{{- define "rendezvous.validate.evaluated" -}}
{{- $v := .Values -}}
{{- $config := include "rendezvous.config" . | fromJson -}}
{{- $host := "^(\\*\\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$" -}}
{{- $server := "[A-Za-z0-9][A-Za-z0-9._-]*|\\[[0-9A-Fa-f:.]+\\]" -}}
{{- $checks := list
    (dict "name" "nameOverride" "found" (list (include "rendezvous.evaluateString" (dict "root" . "value" $v.nameOverride))) "pattern" "^[-a-z0-9]*$")
    (dict "name" "ingress.hosts" "found" (include "rendezvous.evaluateYaml" (dict "root" . "value" $v.ingress.hosts) | fromYamlArray) "pattern" $host)
    (dict "name" "httpRoute.hostnames" "found" (include "rendezvous.evaluateYaml" (dict "root" . "value" $v.httpRoute.hostnames) | fromYamlArray) "pattern" $host)
    (dict "name" "redis.nodes" "found" (include "rendezvous.evaluateYaml" (dict "root" . "value" $v.redis.nodes) | fromYamlArray) "pattern" (printf "^(%s):[0-9]+$" $server)) -}}
{{- if $v.redis.host }}{{ $checks = append $checks (dict "name" "redis.host" "found" (list (include "rendezvous.evaluateString" (dict "root" . "value" $v.redis.host))) "pattern" (printf "^(%s)$" $server)) }}{{ end -}}
{{- if $v.doctor.server }}{{ $checks = append $checks (dict "name" "doctor.server" "found" (list (include "rendezvous.evaluateString" (dict "root" . "value" $v.doctor.server))) "pattern" "^(https?://[^/?#@\\s]+(/[^?#@\\s]*)?|[A-Za-z0-9\\[][A-Za-z0-9.:\\[\\]-]*)$") }}{{ end -}}
{{- range $name, $ranges := dict
    "config.http.trusted_proxies" (get ($config.http | default dict) "trusted_proxies")
    "config.limits.deny.create" (get (get ($config.limits | default dict) "deny" | default dict) "create")
    "config.limits.deny.requests" (get (get ($config.limits | default dict) "deny" | default dict) "requests") }}
{{- $checks = append $checks (dict "name" $name "found" ($ranges | default list) "pattern" "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$") }}
{{- end -}}
{{- $auth := $config.auth | default dict -}}
{{- $urls := list
    (list "config.http.public_base_url" ($config.http | default dict) "public_base_url")
    (list "config.auth.homeserver_url" $auth "homeserver_url")
    (list "config.auth.introspection.endpoint" ($auth.introspection | default dict) "endpoint")
    (list "config.telemetry.traces.endpoint" (get ($config.telemetry | default dict) "traces" | default dict) "endpoint")
    (list "config.telemetry.metrics.endpoint" (get ($config.telemetry | default dict) "metrics" | default dict) "endpoint") -}}
{{- range $i, $entry := $auth.homeserver }}
{{- range $key := list "homeserver_url" "public_base_url" }}{{ $urls = append $urls (list (printf "config.auth.homeserver[%d].%s" $i $key) $entry $key) }}{{ end -}}
{{- end -}}
{{- range $urls -}}
{{- if hasKey (index . 1) (index . 2) }}{{ $checks = append $checks (dict "name" (index . 0) "found" (list (get (index . 1) (index . 2))) "pattern" "^https?://[^/?#\\s]+") }}{{ end -}}
{{- end -}}
{{- range $check := $checks }}
{{- range $found := $check.found }}
{{- if not (kindIs "invalid" $found) }}
{{- if not (regexMatch $check.pattern (toString $found)) }}
{{ $check.name }}: its template evaluates to {{ $found | quote }}, which is not valid there
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
