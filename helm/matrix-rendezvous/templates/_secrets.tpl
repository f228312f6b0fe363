{{/* The content of the chart's own Secret, not encoded. */}}
{{- define "rendezvous.secretData" -}}
{{- $redis := .Values.redis -}}
{{- $data := dict -}}
{{- with $redis.url.value }}{{ $_ := set $data "redis-url" (include "rendezvous.evaluateString" (dict "root" $ "value" .)) }}{{ end -}}
{{- with $redis.password.value }}{{ $_ := set $data "redis-password" . }}{{ end -}}
{{- with $redis.sentinel.password.value }}{{ $_ := set $data "sentinel-password" . }}{{ end -}}
{{- with .Values.introspectionClientSecret.value }}{{ $_ := set $data "introspection-client-secret" . }}{{ end -}}
{{- with .Values.adminToken.value }}{{ $_ := set $data "admin-token" . }}{{ end -}}
{{- with (.Values.tests.token | default dict).value }}{{ $_ := set $data "tests-token" . }}{{ end -}}
{{ toYaml $data }}
{{- end }}

{{/* Checksum of the chart's Secret, or of one key of it. Input: dict with root, and optionally key. It includes the
     release's name, so that precomputed digest tables do not contain it. It excludes the token of `helm test`, which the server does
     not use. */}}
{{- define "rendezvous.secretChecksum" -}}
{{- $all := omit (include "rendezvous.secretData" .root | fromYaml) "tests-token" -}}
{{ print .root.Release.Namespace "/" .root.Release.Name " " ((hasKey . "key" | ternary (pick $all (.key | default "")) $all) | toJson) | sha256sum }}
{{- end }}
