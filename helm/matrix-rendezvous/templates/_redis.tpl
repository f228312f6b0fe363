{{/* Host of Redis, of the first Sentinel or of the first Cluster node. */}}
{{- define "rendezvous.redis.host" -}}
{{ if .Values.redis.bundled.enabled }}{{ include "rendezvous.fullname" . }}-redis{{ else }}{{ include "rendezvous.evaluateString" (dict "root" . "value" .Values.redis.host) }}{{ end }}
{{- end }}

{{/* URL-encodes text for any part of a URL: a space becomes %20, not +. */}}
{{- define "rendezvous.redis.urlEncode" -}}
{{ urlquery . | replace "+" "%20" }}
{{- end }}

{{/* The Redis URL without passwords. Passwords are mounted as files. */}}
{{- define "rendezvous.redis.url" -}}
{{- $redis := .Values.redis -}}
{{- $query := list -}}
{{- if eq $redis.topology "sentinel" -}}
  {{- $query = append $query (printf "sentinelServiceName=%s" (include "rendezvous.redis.urlEncode" $redis.sentinel.service)) -}}
  {{- with $redis.sentinel.username }}{{ $query = append $query (printf "sentinelUsername=%s" (include "rendezvous.redis.urlEncode" .)) }}{{ end -}}
{{- end -}}
{{- range include "rendezvous.evaluateHosts" (dict "root" . "value" $redis.nodes) | splitList " " | compact }}{{ $query = append $query (printf "node=%s" .) }}{{ end -}}
{{ $redis.tls.enabled | ternary "rediss" "redis" }}{{ if ne $redis.topology "standalone" }}-{{ $redis.topology }}{{ end }}://
{{- with $redis.username }}{{ include "rendezvous.redis.urlEncode" . }}@{{ end -}}
{{ include "rendezvous.redis.host" . }}:{{ int $redis.port }}
{{- if int $redis.db }}/{{ int $redis.db }}{{ end -}}
{{ with $query }}?{{ join "&" . }}{{ end }}
{{- end }}

{{/* The distinct Redis ports that the NetworkPolicy allows, as words. With Sentinels the primary has its own port. */}}
{{- define "rendezvous.redis.ports" -}}
{{- $ports := list -}}
{{- if .Values.networkPolicy.redis.ports -}}
  {{- range .Values.networkPolicy.redis.ports }}{{ $ports = append $ports (toString .) }}{{ end -}}
{{- else -}}
  {{- $ports = list (toString (int .Values.redis.port)) -}}
  {{- range include "rendezvous.evaluateHosts" (dict "root" . "value" .Values.redis.nodes) | splitList " " | compact }}{{ $ports = append $ports (regexFind "[0-9]+$" .) }}{{ end -}}
  {{- if eq .Values.redis.topology "sentinel" }}{{ $ports = append $ports "6379" }}{{ end -}}
{{- end -}}
{{ $ports | uniq | join " " }}
{{- end }}
