{{/* Egress rule of a NetworkPolicy: DNS. */}}
{{- define "rendezvous.egress.dns" -}}
{{- $policy := .Values.networkPolicy -}}
- ports:
    {{- range $policy.dns.ports }}
    - { port: {{ int . }}, protocol: UDP }
    - { port: {{ int . }}, protocol: TCP }
    {{- end }}
  to:
    {{- toYaml $policy.dns.to | nindent 4 }}
{{- end }}

{{/* Egress rules of a NetworkPolicy: what the configuration names, which is Redis, homeserver and collector. */}}
{{- define "rendezvous.egress.upstreams" -}}
{{- $policy := .Values.networkPolicy -}}
{{- if eq .Values.store "redis" }}
- ports:
    {{- range splitList " " (include "rendezvous.redis.ports" .) }}
    - { port: {{ . }}, protocol: TCP }
    {{- end }}
  {{- if .Values.redis.bundled.enabled }}
  to:
    - podSelector:
        matchLabels:
          {{- include "rendezvous.selector" (dict "root" . "component" "redis") | nindent 10 }}
  {{- else }}
  {{- with $policy.redis.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
{{- end }}
{{- with include "rendezvous.outboundPorts" . }}
- ports:
    {{- range splitList " " . }}
    - { port: {{ . }}, protocol: TCP }
    {{- end }}
  {{- with $policy.homeserver.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Egress rule of a NetworkPolicy: what the doctor checks. Input: dict with root, and targets as words. */}}
{{- define "rendezvous.egress.doctor" -}}
{{- $policy := .root.Values.networkPolicy.doctor -}}
{{- with include "rendezvous.doctor.ports" . }}
- ports:
    {{- range splitList " " . }}
    - { port: {{ . }}, protocol: TCP }
    {{- end }}
  {{- with $policy.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}
