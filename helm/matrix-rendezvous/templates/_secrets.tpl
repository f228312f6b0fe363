{{/* What the chart's own Secret holds, as it is. */}}
{{- define "rendezvous.secrets" -}}
{{- $redis := .Values.redis -}}
{{- $by := include "rendezvous.redis.by" . -}}
{{- $data := dict -}}
{{- if and (eq $by "file") (not $redis.url.secret) -}}
  {{- $_ := set $data "redis-url" ($redis.url.value | default (include "rendezvous.redis.url" .)) -}}
{{- end -}}
{{- if eq $by "env" -}}
  {{- with $redis.password.value }}{{ $_ := set $data "redis-url-password" (include "rendezvous.redis.encoded" .) }}{{ end -}}
  {{- with $redis.sentinel.password.value }}{{ $_ := set $data "redis-url-sentinel-password" (include "rendezvous.redis.encoded" .) }}{{ end -}}
{{- end -}}
{{- if $redis.bundled.enabled }}{{ with $redis.password.value }}{{ $_ := set $data "redis-password" . }}{{ end }}{{ end -}}
{{- with .Values.introspectionClientSecret.value }}{{ $_ := set $data "introspection-client-secret" . }}{{ end -}}
{{ toYaml $data }}
{{- end }}

{{/* When it changes, or one key of it, so does this: dict root, and perhaps key. With the release's name in it, so that
     it is found in no table of digests. */}}
{{- define "rendezvous.secrets.sum" -}}
{{- $all := include "rendezvous.secrets" .root | fromYaml -}}
{{ print .root.Release.Namespace "/" .root.Release.Name " " ((hasKey . "key" | ternary (pick $all (.key | default "")) $all) | toJson) | sha256sum }}
{{- end }}
