{{- define "rendezvous.redis.host" -}}
{{ if .Values.redis.bundled.enabled }}{{ include "rendezvous.fullname" . }}-redis{{ else }}{{ .Values.redis.host }}{{ end }}
{{- end }}

{{/* Text as it stands in a URL, in front of the host and behind it alike: there + is no blank. */}}
{{- define "rendezvous.redis.encoded" -}}
{{ urlquery . | replace "+" "%20" }}
{{- end }}

{{/* Without passwords: those come by files, as they are. */}}
{{- define "rendezvous.redis.url" -}}
{{- $redis := .Values.redis -}}
{{- $query := list -}}
{{- if eq $redis.topology "sentinel" -}}
  {{- $query = append $query (printf "sentinelServiceName=%s" (include "rendezvous.redis.encoded" $redis.sentinel.service)) -}}
  {{- with $redis.sentinel.username }}{{ $query = append $query (printf "sentinelUsername=%s" (include "rendezvous.redis.encoded" .)) }}{{ end -}}
{{- end -}}
{{- range $redis.nodes }}{{ $query = append $query (printf "node=%s" .) }}{{ end -}}
{{ $redis.tls.enabled | ternary "rediss" "redis" }}{{ if ne $redis.topology "standalone" }}-{{ $redis.topology }}{{ end }}://
{{- with $redis.username }}{{ include "rendezvous.redis.encoded" . }}@{{ end -}}
{{ include "rendezvous.redis.host" . }}:{{ int $redis.port }}
{{- if int $redis.db }}/{{ int $redis.db }}{{ end -}}
{{ with $query }}?{{ join "&" . }}{{ end }}
{{- end }}

{{/* The ports that a NetworkPolicy lets out to, each once. Behind a Sentinel the primary has a port of its own. */}}
{{- define "rendezvous.redis.ports" -}}
{{- $ports := list -}}
{{- if .Values.networkPolicy.redis.ports -}}
  {{- range .Values.networkPolicy.redis.ports }}{{ $ports = append $ports (toString .) }}{{ end -}}
{{- else -}}
  {{- $ports = list (toString (int .Values.redis.port)) -}}
  {{- range .Values.redis.nodes }}{{ $ports = append $ports (regexFind "[0-9]+$" .) }}{{ end -}}
  {{- if eq .Values.redis.topology "sentinel" }}{{ $ports = append $ports "6379" }}{{ end -}}
{{- end -}}
{{ $ports | uniq | join " " }}
{{- end }}
