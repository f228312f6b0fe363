{{- define "rendezvous.validate.redis" -}}
{{- $v := .Values -}}
{{- $redis := $v.redis -}}
{{- if eq $v.store "memory" }}
{{- if and (not $v.autoscaling.enabled) (gt (int $v.replicas) 1) }}
store: "memory" is of one process, and replicas is {{ int $v.replicas }}: devices that reach different ones never meet. Use redis, or one replica
{{- end }}
{{- if $v.autoscaling.enabled }}
store: "memory" is of one process, and autoscaling makes more: devices that reach different ones never meet. Use redis
{{- end }}
{{- with print (include "rendezvous.redis.ways" .) (include "rendezvous.redis.details" .) (include "rendezvous.redis.policy" .) | splitList " " | compact }}
store: is "memory", which would not use {{ join ", " . }}
{{- end }}
{{- else }}
{{- include "rendezvous.validate.redis.which" . }}
{{- end }}
{{- end }}

{{- define "rendezvous.validate.redis.which" -}}
{{- $redis := .Values.redis -}}
{{- $ways := include "rendezvous.redis.ways" . | splitList " " | compact -}}
{{- $details := include "rendezvous.redis.details" . | splitList " " | compact -}}
{{- if not $ways }}
redis: say which one: redis.host, redis.url, or redis.bundled.enabled for trying out
{{- end }}
{{- if gt (len $ways) 1 }}
redis: {{ join " and " $ways }} are set; keep one
{{- end }}
{{- if and $redis.tls.ca (not $redis.tls.enabled) }}
redis.tls.ca: would not be used without redis.tls.enabled
{{- end }}
{{- if and $redis.tls.enabled (not $redis.tls.ca) $redis.url }}
redis.tls.enabled: goes with redis.url where redis.tls.ca does; whether it is TLS, the URL says
{{- end }}
{{- if $redis.url }}
{{- with without $details "redis.tls.enabled" "redis.tls.ca" }}
redis.url: is the whole of it, and would not use {{ join ", " . }}
{{- end }}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.redis.ports) }}
networkPolicy.redis.ports: are needed with redis.url, since a policy must know them
{{- end }}
{{- else if $redis.bundled.enabled }}
{{- with concat (without $details "redis.password" "redis.tls.ca") (include "rendezvous.redis.policy" . | splitList " " | compact) }}
redis.bundled: is one node, without TLS, at its own port, and would not use {{ join ", " . }}
{{- end }}
{{- include "rendezvous.validate.redis.memory" . }}
{{- else if ne $redis.topology "sentinel" }}
{{- range $details }}{{ if hasPrefix "redis.sentinel." . }}
{{ . }}: is for the topology "sentinel", and would not be used
{{- end }}{{ end }}
{{- if and (eq $redis.topology "standalone") $redis.nodes }}
redis.nodes: are more Sentinels, or more nodes of a Cluster; the topology "standalone" has none
{{- end }}
{{- if and (eq $redis.topology "cluster") (int $redis.db) }}
redis.db: a Cluster has database 0 alone
{{- end }}
{{- end }}
{{- end }}

{{/* Each way in which the values say which Redis it is; there should be one. */}}
{{- define "rendezvous.redis.ways" -}}
{{- $redis := .Values.redis -}}
{{ include "rendezvous.redis.said" (dict "redis.host" $redis.host "redis.url" $redis.url "redis.bundled.enabled" $redis.bundled.enabled) }}
{{- end }}

{{/* What else they say of it, where that is not the default. */}}
{{- define "rendezvous.redis.details" -}}
{{- $redis := .Values.redis -}}
{{- $sentinel := $redis.sentinel -}}
{{ include "rendezvous.redis.said" (dict
    "redis.topology" (ne $redis.topology "standalone") "redis.port" (ne (int $redis.port) 6379) "redis.nodes" $redis.nodes
    "redis.db" (int $redis.db) "redis.username" $redis.username "redis.password" $redis.password
    "redis.sentinel.service" (ne $sentinel.service "mymaster") "redis.sentinel.username" $sentinel.username
    "redis.sentinel.password" $sentinel.password "redis.tls.enabled" $redis.tls.enabled "redis.tls.ca" $redis.tls.ca) }}
{{- end }}

{{- define "rendezvous.redis.policy" -}}
{{- $policy := .Values.networkPolicy.redis -}}
{{ include "rendezvous.redis.said" (dict "networkPolicy.redis.to" $policy.to "networkPolicy.redis.ports" $policy.ports) }}
{{- end }}

{{/* Of a dict the names of what is set, a word each. */}}
{{- define "rendezvous.redis.said" -}}
{{ range $name, $of := . }}{{ if $of }}{{ $name }} {{ end }}{{ end }}
{{- end }}

{{/* 7 KiB a session (docs/sizing.md), rounded up as the service does that looks at it when it starts. A rewrite of the
     AOF may copy all of it, on the volume too, and the server takes some more. */}}
{{- define "rendezvous.validate.redis.memory" -}}
{{- $bundled := .Values.redis.bundled -}}
{{- $needs := div (add 1023 (mul 7 (int (get (.Values.config.session | default dict) "max_live" | default 10000)))) 1024 -}}
{{- if gt $needs (int64 $bundled.maxmemoryMiB) }}
redis.bundled.maxmemoryMiB: config.session.max_live needs {{ $needs }} at least
{{- end }}
{{- range $what, $size := dict "resources.limits.memory" $bundled.resources.limits.memory "storage.size" $bundled.storage.size }}
{{- if lt (mul (trimSuffix "Gi" $size | trimSuffix "Mi" | int) (hasSuffix "Gi" $size | ternary 1024 1)) (mul 2 $bundled.maxmemoryMiB) }}
redis.bundled.{{ $what }}: twice maxmemoryMiB is {{ mul 2 $bundled.maxmemoryMiB }}Mi, and it is {{ $size }}
{{- end }}
{{- end }}
{{- end }}
