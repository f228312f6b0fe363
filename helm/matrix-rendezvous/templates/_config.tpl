{{/* Formats a value as TOML. Helm reads every number of a values file as a float; TOML distinguishes integers. */}}
{{- define "rendezvous.toml.value" -}}
{{- $value := . -}}
{{- if kindIs "map" $value -}}
{ {{ range $i, $key := keys $value | sortAlpha }}{{ if $i }}, {{ end }}{{ $key }} = {{ include "rendezvous.toml.value" (get $value $key) }}{{ end }} }
{{- else if kindIs "slice" $value -}}
[{{ range $i, $item := $value }}{{ if $i }}, {{ end }}{{ include "rendezvous.toml.value" $item }}{{ end }}]
{{- else if kindIs "string" $value -}}
{{ toRawJson $value }}
{{- else if kindIs "float64" $value -}}
{{ if eq $value (floor $value) }}{{ int64 $value }}{{ else }}{{ $value }}{{ end }}
{{- else -}}
{{ $value }}
{{- end -}}
{{- end }}

{{/* Formats a map as TOML, one line per fully qualified key. Input: dict with prefix and values. */}}
{{- define "rendezvous.toml.lines" -}}
{{- $prefix := .prefix -}}
{{- range $key, $value := .values }}
{{- if kindIs "map" $value }}{{ include "rendezvous.toml.lines" (dict "prefix" (printf "%s%s." $prefix $key) "values" $value) }}
{{- else if not (kindIs "invalid" $value) }}{{ $prefix }}{{ $key }} = {{ include "rendezvous.toml.value" $value }}
{{ end }}
{{- end }}
{{- end }}

{{/* The configuration file: .Values.config, and the keys that the chart sets. */}}
{{- define "rendezvous.toml" -}}
{{- $auth := dict -}}
{{- if .Values.introspectionClientSecret }}{{ $_ := set $auth "introspection" (dict "client_secret_file" "/run/secrets/introspection-client-secret/client-secret") }}{{ end -}}
{{- $admin := dict -}}
{{- if .Values.adminToken }}{{ $_ := set $admin "token_file" "/run/secrets/admin-token/token" }}{{ end -}}
{{- $redis := dict -}}
{{- if and .Values.redis.tls.enabled .Values.redis.tls.ca }}{{ $_ := set $redis "ca_file" "/run/ca/redis/ca.pem" }}{{ end -}}
{{- if and .Values.redis.tls.enabled .Values.redis.tls.certificateSecret }}
  {{- $_ := set $redis "cert_file" "/run/certificates/redis/tls.crt" -}}
  {{- $_ := set $redis "key_file" "/run/certificates/redis/tls.key" -}}
{{ end -}}
{{- if .Values.redis.url }}{{ $_ := set $redis "url_file" "/run/secrets/redis-url/url" -}}
{{- else if eq .Values.store "redis" }}{{ $_ := set $redis "url" (include "rendezvous.redis.url" .) }}{{ end -}}
{{- if .Values.redis.password }}{{ $_ := set $redis "password_file" "/run/secrets/redis-password/password" }}{{ end -}}
{{- if .Values.redis.sentinel.password }}{{ $_ := set $redis "sentinel_password_file" "/run/secrets/sentinel-password/password" }}{{ end -}}
{{- $http := dict -}}
{{- if .Values.tls.certificateSecret -}}
  {{- $_ := set $http "tls_cert_file" "/run/certificates/http/tls.crt" -}}
  {{- $_ := set $http "tls_key_file" "/run/certificates/http/tls.key" -}}
{{- end -}}
{{- $chartKeys := dict "http" $http "store" (dict "backend" .Values.store "redis" $redis) "auth" $auth "admin" $admin "shutdown" (dict
    "grace" (printf "%ds" (int .Values.shutdown.graceSeconds)) "drain" (printf "%ds" (int .Values.shutdown.drainSeconds))) -}}
{{- $config := mergeOverwrite (include "rendezvous.config" . | fromJson) $chartKeys -}}
{{- if .Values.ca -}}
  {{- $file := "/run/ca/platform/ca.pem" -}}
  {{- if $config.auth.homeserver -}}
    {{- range $config.auth.homeserver }}{{ if .homeserver_url }}{{ $_ := set . "ca_file" $file }}{{ end }}{{ end -}}
  {{- else if or $config.auth.homeserver_url (get ($config.auth.introspection | default dict) "endpoint") -}}
    {{- $_ := set $config.auth "ca_file" $file -}}
  {{- end -}}
  {{- range $section := list "traces" "metrics" -}}
    {{- $collector := get ($config.telemetry | default dict) $section | default dict -}}
    {{- if $collector.endpoint }}{{ $_ := set $collector "ca_file" $file }}{{ end -}}
  {{- end -}}
{{- end -}}
{{ include "rendezvous.toml.lines" (dict "prefix" "" "values" $config) }}
{{- end }}

{{/* The URLs that the server connects to (homeserver, introspection, traces, metrics), as words. */}}
{{- define "rendezvous.outboundUrls" -}}
{{- $config := include "rendezvous.config" . | fromJson -}}
{{- $auth := $config.auth | default dict -}}
{{- range prepend ($auth.homeserver | default list) $auth -}}
{{ .homeserver_url | default "" }} {{ get (.introspection | default dict) "endpoint" }}{{ " " }}
{{- end -}}
{{- range $section := list "traces" "metrics" -}}
{{ get (get ($config.telemetry | default dict) $section | default dict) "endpoint" }}{{ " " }}
{{- end -}}
{{- end }}

{{/* The distinct ports of these URLs, as words. */}}
{{- define "rendezvous.outboundPorts" -}}
{{- $ports := list -}}
{{- range .Values.networkPolicy.homeserver.ports }}{{ $ports = append $ports (toString .) }}{{ end -}}
{{- if not $ports -}}
{{- range $url := splitList " " (include "rendezvous.outboundUrls" .) -}}
  {{- if $url -}}
    {{- $parsed := urlParse $url -}}
    {{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $parsed.host) -}}
    {{- $ports = append $ports ($port | default (eq $parsed.scheme "https" | ternary "443" "80")) -}}
  {{- end -}}
{{- end -}}
{{- end -}}
{{ $ports | uniq | join " " }}
{{- end }}
