{{/* The endpoint of a ServiceMonitor or a PodMonitor. Input: dict with monitor (a value), and port (a name). */}}
{{- define "rendezvous.monitor.endpoint" -}}
- port: {{ .port }}
  path: /metrics
  scheme: {{ .monitor.scheme }}
  interval: {{ .monitor.interval }}
  scrapeTimeout: {{ .monitor.scrapeTimeout }}
  {{- range $key := list "tlsConfig" "relabelings" "metricRelabelings" }}
  {{- with get $.monitor $key }}
  {{ $key }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
{{- end }}
