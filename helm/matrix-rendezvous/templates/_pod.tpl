{{/* The container's environment. Variables win over the file, so the image's own two are set here again. */}}
{{- define "rendezvous.env" -}}
- name: RENDEZVOUS_CONFIG
  value: /etc/matrix-rendezvous/matrix-rendezvous.toml
- name: RENDEZVOUS_HTTP__LISTEN
  value: {{ printf "%s:8080" .Values.listenAddress | quote }}
- name: RENDEZVOUS_ADMIN__LISTEN
  value: {{ printf "%s:8081" .Values.listenAddress | quote }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What is mounted, a list of dicts: name, at, volume. A volume of secrets is 0440: root's, and fsGroup's to read. */}}
{{- define "rendezvous.mounts" -}}
{{- $own := include "rendezvous.fullname" . -}}
- name: config
  at: /etc/matrix-rendezvous
  volume: { configMap: { name: {{ $own | quote }}, defaultMode: 0444 } }
{{- include "rendezvous.secretMount" (dict "name" "redis-url" "of" .Values.redis.url "own" $own "path" "url") }}
{{- include "rendezvous.secretMount" (dict "name" "redis-password" "of" .Values.redis.password "own" $own "path" "password") }}
{{- include "rendezvous.secretMount" (dict "name" "sentinel-password" "of" .Values.redis.sentinel.password "own" $own "path" "password") }}
{{- include "rendezvous.secretMount" (dict "name" "introspection-client-secret" "of" .Values.introspectionClientSecret "own" $own "path" "client-secret") }}
{{- if .Values.redis.tls.enabled }}
{{- include "rendezvous.authority" (dict "name" "redis" "of" .Values.redis.tls.ca) }}
{{- end }}
{{- include "rendezvous.authority" (dict "name" "platform" "of" .Values.ca) }}
{{- end }}

{{/* A secret as a file, where there is one: dict name (its key in the chart's own Secret, too), of, own, path */}}
{{- define "rendezvous.secretMount" -}}
{{- if .of }}
- name: {{ .name }}
  at: /run/secrets/{{ .name }}
  volume:
    secret:
      secretName: {{ .of.secret | default .own | quote }}
      defaultMode: 0440
      items: [{ key: {{ .of.secretKey | default .name | quote }}, path: {{ .path }} }]
{{- end }}
{{- end }}

{{- define "rendezvous.authority" -}}
{{- $name := .name -}}
{{- with .of }}
- name: authority-{{ $name }}
  at: /run/authorities/{{ $name }}
  volume:
    {{- if .configMap }}
    configMap:
      name: {{ .configMap | quote }}
    {{- else }}
    secret:
      secretName: {{ .secret | quote }}
    {{- end }}
      defaultMode: 0444
      items: [{ key: {{ .configMapKey | default .secretKey | quote }}, path: ca.pem }]
{{- end }}
{{- end }}
