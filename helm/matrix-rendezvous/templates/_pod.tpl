{{/* The container's environment. Variables win over the file, so the image's own two are set here again. */}}
{{- define "rendezvous.env" -}}
{{- $own := include "rendezvous.fullname" . -}}
- name: RENDEZVOUS_CONFIG
  value: /etc/matrix-rendezvous/matrix-rendezvous.toml
- name: RENDEZVOUS_HTTP__LISTEN
  value: {{ printf "%s:8080" .Values.listenAddress | quote }}
- name: RENDEZVOUS_ADMIN__LISTEN
  value: {{ printf "%s:8081" .Values.listenAddress | quote }}
{{- if eq (include "rendezvous.redis.by" .) "env" }}
{{- with .Values.redis.password }}
- name: REDIS_PASSWORD
  valueFrom:
    secretKeyRef:
      {{- include "rendezvous.secretRef" (dict "of" . "own" $own "key" "redis-url-password") | nindent 6 }}
{{- end }}
{{- with .Values.redis.sentinel.password }}
- name: REDIS_SENTINEL_PASSWORD
  valueFrom:
    secretKeyRef:
      {{- include "rendezvous.secretRef" (dict "of" . "own" $own "key" "redis-url-sentinel-password") | nindent 6 }}
{{- end }}
# Kubernetes fills in the variables above.
- name: RENDEZVOUS_STORE__REDIS__URL
  value: {{ include "rendezvous.redis.url" . | quote }}
{{- end }}
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
{{- if eq (include "rendezvous.redis.by" .) "file" }}
- name: redis
  at: /run/secrets/redis
  volume:
    secret:
      secretName: {{ .Values.redis.url.secret | default $own | quote }}
      defaultMode: 0440
      items: [{ key: {{ .Values.redis.url.secretKey | default "redis-url" | quote }}, path: url }]
{{- end }}
{{- with .Values.introspectionClientSecret }}
- name: introspection
  at: /run/secrets/introspection
  volume:
    secret:
      secretName: {{ .secret | default $own | quote }}
      defaultMode: 0440
      items: [{ key: {{ .secretKey | default "introspection-client-secret" | quote }}, path: client-secret }]
{{- end }}
{{- if .Values.redis.tls.enabled }}
{{- include "rendezvous.authority" (dict "name" "redis" "of" .Values.redis.tls.ca) }}
{{- end }}
{{- include "rendezvous.authority" (dict "name" "platform" "of" .Values.ca) }}
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
