{{/* The container's environment. Variables override the file, so the two that the image sets are set again here. */}}
{{- define "rendezvous.env" -}}
- name: RENDEZVOUS_CONFIG
  value: /etc/matrix-rendezvous/matrix-rendezvous.toml
- name: RENDEZVOUS_HTTP__LISTEN
  value: {{ printf "%s:8080" .Values.listenAddress | quote }}
- name: RENDEZVOUS_ADMIN__LISTEN
  value: {{ printf "%s:8081" .Values.listenAddress | quote }}
{{- with .Values.extraEnv }}
{{ include "rendezvous.evaluateYaml" (dict "root" $ "value" .) }}
{{- end }}
{{- end }}

{{/* ConfigMaps and Secrets, each key of which is an environment variable. */}}
{{- define "rendezvous.envFrom" -}}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- include "rendezvous.evaluateYaml" (dict "root" $ "value" .) | nindent 2 }}
{{- end }}
{{- end }}

{{/* Update strategy of the Deployment. With Redis, a new pod becomes ready before an old one terminates. With the memory store,
     two pods would not share their sessions, so the old one terminates first. */}}
{{- define "rendezvous.updateStrategy" -}}
{{- if .Values.updateStrategy -}}
{{ toYaml .Values.updateStrategy }}
{{- else if eq .Values.store "memory" -}}
type: Recreate
{{- else -}}
type: RollingUpdate
rollingUpdate:
  maxUnavailable: 0
  maxSurge: 1
{{- end }}
{{- end }}

{{/* Volumes and mount paths: a list of dicts with name, path, volume. Secret volumes have mode 0440: readable by root and
     by fsGroup. */}}
{{- define "rendezvous.mounts" -}}
{{- $own := include "rendezvous.fullname" . -}}
- name: config
  path: /etc/matrix-rendezvous
  volume: { configMap: { name: {{ $own | quote }}, defaultMode: 0444 } }
{{- include "rendezvous.secretMount" (dict "root" . "name" "redis-url" "source" .Values.redis.url "ownSecret" $own "path" "url") }}
{{- include "rendezvous.secretMount" (dict "root" . "name" "redis-password" "source" .Values.redis.password "ownSecret" $own "path" "password") }}
{{- include "rendezvous.secretMount" (dict "root" . "name" "sentinel-password" "source" .Values.redis.sentinel.password "ownSecret" $own "path" "password") }}
{{- include "rendezvous.secretMount" (dict "root" . "name" "introspection-client-secret" "source" .Values.introspectionClientSecret "ownSecret" $own "path" "client-secret") }}
{{- include "rendezvous.secretMount" (dict "root" . "name" "admin-token" "source" .Values.adminToken "ownSecret" $own "path" "token") }}
{{- if .Values.redis.tls.enabled }}
{{- include "rendezvous.caMount" (dict "root" . "name" "redis" "source" .Values.redis.tls.ca) }}
{{- with .Values.redis.tls.certificateSecret }}
- name: redis-certificate
  path: /run/certificates/redis
  volume: { secret: { secretName: {{ include "rendezvous.evaluateString" (dict "root" $ "value" .) | quote }}, defaultMode: 0440 } }
{{- end }}
{{- end }}
{{- with .Values.tls.certificateSecret }}
- name: http-certificate
  path: /run/certificates/http
  volume: { secret: { secretName: {{ include "rendezvous.evaluateString" (dict "root" $ "value" .) | quote }}, defaultMode: 0440 } }
{{- end }}
{{- include "rendezvous.caMount" (dict "root" . "name" "platform" "source" .Values.ca) }}
{{- end }}

{{/* The scheme of the HTTP port. */}}
{{- define "rendezvous.scheme" -}}
{{ .Values.tls.certificateSecret | empty | ternary "http" "https" }}
{{- end }}

{{/* Mounts a secret as a file, if it is set. Input: dict with root, name (also the key in the chart's own Secret),
     source, ownSecret, path. */}}
{{- define "rendezvous.secretMount" -}}
{{- if .source }}
- name: {{ .name }}
  path: /run/secrets/{{ .name }}
  volume:
    secret:
      secretName: {{ include "rendezvous.evaluateString" (dict "root" .root "value" (.source.secret | default .ownSecret)) | quote }}
      defaultMode: 0440
      items: [{ key: {{ .source.secretKey | default .name | quote }}, path: {{ .path }} }]
{{- end }}
{{- end }}

{{/* Mounts a CA bundle, if it is set. Input: dict with root, name, source. */}}
{{- define "rendezvous.caMount" -}}
{{- $name := .name -}}
{{- $root := .root -}}
{{- with .source }}
- name: ca-{{ $name }}
  path: /run/ca/{{ $name }}
  volume:
    {{- if .configMap }}
    configMap:
      name: {{ include "rendezvous.evaluateString" (dict "root" $root "value" .configMap) | quote }}
    {{- else }}
    secret:
      secretName: {{ include "rendezvous.evaluateString" (dict "root" $root "value" .secret) | quote }}
    {{- end }}
      defaultMode: 0444
      items: [{ key: {{ .configMapKey | default .secretKey | quote }}, path: ca.pem }]
{{- end }}
{{- end }}
