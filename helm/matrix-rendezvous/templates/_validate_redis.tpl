{{/* Errors in the values of redis and store, one line each. Part of rendezvous.validate. */}}
{{- define "rendezvous.validate.redis" -}}
{{- $v := .Values -}}
{{- $redis := $v.redis -}}
{{- if eq $v.store "memory" }}
{{- if and (not $v.autoscaling.enabled) (gt (int $v.replicas) 1) }}
store: "memory" supports one replica, and replicas is {{ int $v.replicas }}; devices on different replicas would never meet. Use redis, or one replica
{{- end }}
{{- if $v.autoscaling.enabled }}
store: "memory" supports one replica, and autoscaling creates more; devices on different replicas would never meet. Use redis
{{- end }}
{{- with print (include "rendezvous.redis.sources" .) (include "rendezvous.redis.settings" .) (include "rendezvous.redis.policySettings" .) | splitList " " | compact }}
store: "memory" does not use {{ join ", " . }}
{{- end }}
{{- else }}
{{- include "rendezvous.validate.redis.source" . }}
{{- end }}
{{- end }}

{{- define "rendezvous.validate.redis.source" -}}
{{- $redis := .Values.redis -}}
{{- $sources := include "rendezvous.redis.sources" . | splitList " " | compact -}}
{{- $settings := include "rendezvous.redis.settings" . | splitList " " | compact -}}
{{- if not $sources }}
redis: set one of redis.host, redis.url, or redis.bundled.enabled (for a trial)
{{- end }}
{{- if gt (len $sources) 1 }}
redis: {{ join " and " $sources }} exclude each other; keep one
{{- end }}
{{- if and $redis.tls.ca (not $redis.tls.enabled) }}
redis.tls.ca: has no effect without redis.tls.enabled
{{- end }}
{{- if and $redis.tls.certificateSecret (not $redis.tls.enabled) }}
redis.tls.certificateSecret: has no effect without redis.tls.enabled
{{- end }}
{{- if and $redis.tls.enabled (not $redis.tls.ca) (not $redis.tls.certificateSecret) $redis.url }}
redis.tls.enabled: has no effect with redis.url unless redis.tls.ca or redis.tls.certificateSecret is set; the scheme of the URL selects TLS
{{- end }}
{{- if $redis.url }}
{{- with without $settings "redis.tls.enabled" "redis.tls.ca" "redis.tls.certificateSecret" }}
redis.url: replaces all other Redis values, and does not use {{ join ", " . }}
{{- end }}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.redis.ports) }}
networkPolicy.redis.ports: required by redis.url with networkPolicy.enabled
{{- end }}
{{- else if $redis.bundled.enabled }}
{{- with concat (without $settings "redis.password" "redis.tls.ca" "redis.tls.certificateSecret") (include "rendezvous.redis.policySettings" . | splitList " " | compact) }}
redis.bundled: is one node without TLS on a fixed port, and does not use {{ join ", " . }}
{{- end }}
{{- include "rendezvous.validate.redis.memory" . }}
{{- else if ne $redis.topology "sentinel" }}
{{- range $settings }}{{ if hasPrefix "redis.sentinel." . }}
{{ . }}: has no effect without redis.topology "sentinel"
{{- end }}{{ end }}
{{- if and (eq $redis.topology "standalone") $redis.nodes }}
redis.nodes: has no effect with redis.topology "standalone"; it lists further Sentinels or Cluster nodes
{{- end }}
{{- if and (eq $redis.topology "cluster") (int $redis.db) }}
redis.db: must be 0 with a Cluster
{{- end }}
{{- end }}
{{- end }}

{{/* The values that select a Redis, as words. Exactly one should be set. */}}
{{- define "rendezvous.redis.sources" -}}
{{- $redis := .Values.redis -}}
{{ include "rendezvous.setNames" (dict "redis.host" $redis.host "redis.url" $redis.url "redis.bundled.enabled" $redis.bundled.enabled) }}
{{- end }}

{{/* The other Redis values that differ from their defaults, as words. */}}
{{- define "rendezvous.redis.settings" -}}
{{- $redis := .Values.redis -}}
{{- $sentinel := $redis.sentinel -}}
{{ include "rendezvous.setNames" (dict
    "redis.topology" (ne $redis.topology "standalone") "redis.port" (ne (int $redis.port) 6379) "redis.nodes" $redis.nodes
    "redis.db" (int $redis.db) "redis.username" $redis.username "redis.password" $redis.password
    "redis.sentinel.service" (ne $sentinel.service "mymaster") "redis.sentinel.username" $sentinel.username
    "redis.sentinel.password" $sentinel.password "redis.tls.enabled" $redis.tls.enabled "redis.tls.ca" $redis.tls.ca
    "redis.tls.certificateSecret" $redis.tls.certificateSecret) }}
{{- end }}

{{- define "rendezvous.redis.policySettings" -}}
{{- $policy := .Values.networkPolicy.redis -}}
{{ include "rendezvous.setNames" (dict "networkPolicy.redis.to" $policy.to "networkPolicy.redis.ports" $policy.ports) }}
{{- end }}

{{/* Input: a dict from name to value. Output: the names that have a value, as words. */}}
{{- define "rendezvous.setNames" -}}
{{ range $name, $value := . }}{{ if $value }}{{ $name }} {{ end }}{{ end }}
{{- end }}

{{/* 7 KiB per session (docs/sizing.md), rounded up like the server's start-up check. A rewrite of the AOF may copy all of
     it, on the volume too, and the Redis server needs some memory in addition. */}}
{{- define "rendezvous.validate.redis.memory" -}}
{{- $bundled := .Values.redis.bundled -}}
{{- $required := div (add 1023 (mul 7 (int (get (.Values.config.session | default dict) "max_live" | default 10000)))) 1024 -}}
{{- if gt $required (int64 $bundled.maxmemoryMiB) }}
redis.bundled.maxmemoryMiB: config.session.max_live requires at least {{ $required }}
{{- end }}
{{- range $name, $size := dict "resources.limits.memory" $bundled.resources.limits.memory "storage.size" $bundled.storage.size }}
{{- if lt (mul (trimSuffix "Gi" $size | trimSuffix "Mi" | int) (hasSuffix "Gi" $size | ternary 1024 1)) (mul 2 $bundled.maxmemoryMiB) }}
redis.bundled.{{ $name }}: must be at least twice maxmemoryMiB, {{ mul 2 $bundled.maxmemoryMiB }}Mi; found {{ $size }}
{{- end }}
{{- end }}
{{- end }}
