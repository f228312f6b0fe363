{{- define "rendezvous.mistakes.redis" -}}
{{- $v := .Values -}}
{{- $redis := $v.redis -}}
{{- if eq $v.store "memory" }}
{{- if and (not $v.autoscaling.enabled) (gt (int $v.replicas) 1) }}
store: "memory" is of one process, and replicas is {{ int $v.replicas }}: devices that reach different ones never meet. Use redis, or one replica
{{- end }}
{{- if $v.autoscaling.enabled }}
store: "memory" is of one process, and autoscaling makes more: devices that reach different ones never meet. Use redis
{{- end }}
{{- if or $redis.bundled.enabled $redis.host $redis.url }}
store: is "memory", so what redis says would not be used
{{- end }}
{{- else }}
{{- include "rendezvous.mistakes.redis.which" . }}
{{- end }}
{{- end }}

{{- define "rendezvous.mistakes.redis.which" -}}
{{- $redis := .Values.redis -}}
{{- $ways := list -}}
{{- if $redis.host }}{{ $ways = append $ways "redis.host" }}{{ end -}}
{{- if $redis.url }}{{ $ways = append $ways "redis.url" }}{{ end -}}
{{- if $redis.bundled.enabled }}{{ $ways = append $ways "redis.bundled.enabled" }}{{ end -}}
{{- /* What is said of another Redis than one at its defaults. */ -}}
{{- $other := or (ne $redis.topology "standalone") $redis.nodes (int $redis.db) $redis.username (ne (int $redis.port) 6379) -}}
{{- if not $ways }}
redis: say which one: redis.host, redis.url, or redis.bundled.enabled for trying out
{{- end }}
{{- if gt (len $ways) 1 }}
redis: {{ join " and " $ways }} are set; keep one
{{- end }}
{{- if $redis.url }}
{{- if or $other $redis.password $redis.sentinel.username $redis.sentinel.password (and $redis.tls.enabled (not $redis.tls.ca)) }}
redis.url: is the whole of it; beside it tls.ca, with tls.enabled, is used, and nothing else
{{- end }}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.redis.ports) }}
networkPolicy.redis.ports: are needed with redis.url, since a policy must know them
{{- end }}
{{- else if ne $redis.topology "sentinel" }}
{{- if or $redis.sentinel.username $redis.sentinel.password }}
redis.sentinel: is for the topology "sentinel", and would not be used
{{- end }}
{{- end }}
{{- if and $redis.tls.ca (not $redis.tls.enabled) }}
redis.tls.ca: would not be used without redis.tls.enabled
{{- end }}
{{- if and $redis.host (eq $redis.topology "standalone") $redis.nodes }}
redis.nodes: are more Sentinels, or more nodes of a Cluster; the topology "standalone" has none
{{- end }}
{{- if and $redis.host (eq $redis.topology "cluster") (int $redis.db) }}
redis.db: a Cluster has database 0 alone
{{- end }}
{{- if $redis.bundled.enabled }}
{{- if or $other $redis.tls.enabled }}
redis.bundled: is one node without TLS, at its default port; topology, tls, nodes, db, username and port are those of another Redis
{{- end }}
{{- include "rendezvous.mistakes.redis.memory" . }}
{{- end }}
{{- end }}

{{/* 7 KiB a session (docs/sizing.md), rounded up as the service does that looks at it when it starts. A rewrite of the
     AOF may copy all of it, and the server takes some more. */}}
{{- define "rendezvous.mistakes.redis.memory" -}}
{{- $bundled := .Values.redis.bundled -}}
{{- $needs := div (add 1023 (mul 7 (int (get (.Values.config.session | default dict) "max_live" | default 10000)))) 1024 -}}
{{- if gt $needs (int64 $bundled.maxmemoryMiB) }}
redis.bundled.maxmemoryMiB: config.session.max_live needs {{ $needs }} at least
{{- end }}
{{- $limit := $bundled.resources.limits.memory -}}
{{- $mebibytes := mul (trimSuffix "Gi" $limit | trimSuffix "Mi" | int) (hasSuffix "Gi" $limit | ternary 1024 1) -}}
{{- if lt $mebibytes (mul 2 $bundled.maxmemoryMiB) }}
redis.bundled.resources.limits.memory: twice maxmemoryMiB is {{ mul 2 $bundled.maxmemoryMiB }}Mi, and it is {{ $limit }}
{{- end }}
{{- end }}
