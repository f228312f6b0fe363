{{/* What the chart's own Secret holds, as it is. */}}
{{- define "rendezvous.secrets" -}}
{{- $redis := .Values.redis -}}
{{- $data := dict -}}
{{- with $redis.url.value }}{{ $_ := set $data "redis-url" . }}{{ end -}}
{{- with $redis.password.value }}{{ $_ := set $data "redis-password" . }}{{ end -}}
{{- with $redis.sentinel.password.value }}{{ $_ := set $data "sentinel-password" . }}{{ end -}}
{{- with .Values.introspectionClientSecret.value }}{{ $_ := set $data "introspection-client-secret" . }}{{ end -}}
{{ toYaml $data }}
{{- end }}

{{/* When it changes, or one key of it, so does this: dict root, and perhaps key. With the release's name in it, so that
     it is found in no table of digests. */}}
{{- define "rendezvous.secrets.sum" -}}
{{- $all := include "rendezvous.secrets" .root | fromYaml -}}
{{ print .root.Release.Namespace "/" .root.Release.Name " " ((hasKey . "key" | ternary (pick $all (.key | default "")) $all) | toJson) | sha256sum }}
{{- end }}
