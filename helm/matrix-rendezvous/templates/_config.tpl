{{/* A value as TOML has it. Helm reads every number of a values file as a float; TOML tells the two apart. */}}
{{- define "rendezvous.toml.value" -}}
{{- $of := . -}}
{{- if kindIs "map" $of -}}
{ {{ range $i, $key := keys $of | sortAlpha }}{{ if $i }}, {{ end }}{{ $key }} = {{ include "rendezvous.toml.value" (get $of $key) }}{{ end }} }
{{- else if kindIs "slice" $of -}}
[{{ range $i, $one := $of }}{{ if $i }}, {{ end }}{{ include "rendezvous.toml.value" $one }}{{ end }}]
{{- else if kindIs "string" $of -}}
{{ toRawJson $of }}
{{- else if kindIs "float64" $of -}}
{{ if eq $of (floor $of) }}{{ int64 $of }}{{ else }}{{ $of }}{{ end }}
{{- else -}}
{{ $of }}
{{- end -}}
{{- end }}

{{/* A line a key, in full. */}}
{{- define "rendezvous.toml.lines" -}}
{{- $at := .at -}}
{{- range $key, $value := .of }}
{{- if kindIs "map" $value }}{{ include "rendezvous.toml.lines" (dict "at" (printf "%s%s." $at $key) "of" $value) }}
{{- else if not (kindIs "invalid" $value) }}{{ $at }}{{ $key }} = {{ include "rendezvous.toml.value" $value }}
{{ end }}
{{- end }}
{{- end }}

{{/* The file: what the operator said, and what the chart sets itself. */}}
{{- define "rendezvous.toml" -}}
{{- $auth := dict -}}
{{- if .Values.introspectionClientSecret }}{{ $_ := set $auth "introspection" (dict "client_secret_file" "/run/secrets/introspection-client-secret/client-secret") }}{{ end -}}
{{- $redis := dict -}}
{{- if and .Values.redis.tls.enabled .Values.redis.tls.ca }}{{ $_ := set $redis "ca_file" "/run/authorities/redis/ca.pem" }}{{ end -}}
{{- if .Values.redis.url }}{{ $_ := set $redis "url_file" "/run/secrets/redis-url/url" -}}
{{- else if eq .Values.store "redis" }}{{ $_ := set $redis "url" (include "rendezvous.redis.url" .) }}{{ end -}}
{{- if .Values.redis.password }}{{ $_ := set $redis "password_file" "/run/secrets/redis-password/password" }}{{ end -}}
{{- if .Values.redis.sentinel.password }}{{ $_ := set $redis "sentinel_password_file" "/run/secrets/sentinel-password/password" }}{{ end -}}
{{- $ours := dict "store" (dict "backend" .Values.store "redis" $redis) "auth" $auth "shutdown" (dict
    "grace" (printf "%ds" (int .Values.shutdown.graceSeconds)) "drain" (printf "%ds" (int .Values.shutdown.drainSeconds))) -}}
{{- $config := mergeOverwrite (deepCopy .Values.config) $ours -}}
{{- if .Values.ca -}}
  {{- $file := "/run/authorities/platform/ca.pem" -}}
  {{- if $config.auth.homeserver -}}
    {{- range $config.auth.homeserver }}{{ if .homeserver_url }}{{ $_ := set . "ca_file" $file }}{{ end }}{{ end -}}
  {{- else if or $config.auth.homeserver_url (get ($config.auth.introspection | default dict) "endpoint") -}}
    {{- $_ := set $config.auth "ca_file" $file -}}
  {{- end -}}
  {{- $traces := get ($config.telemetry | default dict) "traces" | default dict -}}
  {{- if $traces.endpoint }}{{ $_ := set $traces "ca_file" $file }}{{ end -}}
{{- end -}}
{{ include "rendezvous.toml.lines" (dict "at" "" "of" $config) }}
{{- end }}

{{/* The URLs that the service asks itself, a word each. */}}
{{- define "rendezvous.upstreams" -}}
{{- $auth := .Values.config.auth | default dict -}}
{{- range prepend ($auth.homeserver | default list) $auth -}}
{{ .homeserver_url | default "" }} {{ get (.introspection | default dict) "endpoint" }}{{ " " }}
{{- end -}}
{{- get (get (.Values.config.telemetry | default dict) "traces" | default dict) "endpoint" -}}
{{- end }}

{{/* Their ports, each once. */}}
{{- define "rendezvous.upstreamPorts" -}}
{{- $ports := list -}}
{{- range .Values.networkPolicy.homeserver.ports }}{{ $ports = append $ports (toString .) }}{{ end -}}
{{- if not $ports -}}
{{- range $url := splitList " " (include "rendezvous.upstreams" .) -}}
  {{- if $url -}}
    {{- $parsed := urlParse $url -}}
    {{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $parsed.host) -}}
    {{- $ports = append $ports ($port | default (eq $parsed.scheme "https" | ternary "443" "80")) -}}
  {{- end -}}
{{- end -}}
{{- end -}}
{{ $ports | uniq | join " " }}
{{- end }}
