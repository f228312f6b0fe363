{{/* Everything that cannot work, in one failure: who mends one thing at a time deploys as many times. */}}
{{- define "rendezvous.mistakes" -}}
{{- $say := list -}}
{{- $v := .Values -}}
{{- $auth := $v.config.auth | default dict -}}
{{- $http := $v.config.http | default dict -}}
{{- $homeservers := $auth.homeserver | default list -}}

{{- if not $v.image.repository }}{{ $say = append $say "image.repository: say where your registry has the image; there is no public one yet" }}{{ end -}}

{{- range $i, $one := prepend $homeservers (dict "homeserver_url" $auth.homeserver_url "introspection" $auth.introspection) -}}
  {{- $at := gt $i 0 | ternary (printf "config.auth.homeserver[%d]" (sub $i 1)) "config" -}}
  {{- $mode := $one.mode | default $v.config.mode -}}
  {{- $known := or $one.homeserver_url (get ($one.introspection | default dict) "endpoint") -}}
  {{- if and (eq $mode "authenticated") (not $known) (or (gt $i 0) (not $homeservers)) -}}
    {{- $say = append $say (printf "%s.mode: \"authenticated\" needs somebody who says whose a token is: %s.%shomeserver_url, or .introspection.endpoint" $at $at (gt $i 0 | ternary "" "auth.")) -}}
  {{- end -}}
  {{- if and $v.config.msc4108.enabled (gt $i 0) (not $one.public_base_url) -}}
    {{- $say = append $say (printf "%s.public_base_url: is needed with config.msc4108.enabled, whose sessions are URLs" $at) -}}
  {{- end -}}
{{- end -}}
{{- if and $v.config.msc4108.enabled (not $homeservers) (not $http.public_base_url) -}}
  {{- $say = append $say "config.http.public_base_url: is needed with config.msc4108.enabled, whose sessions are URLs; as in https://matrix.example.org" -}}
{{- end -}}
{{- if and $v.introspectionClientSecret (not (get ($auth.introspection | default dict) "endpoint")) -}}
  {{- $say = append $say "introspectionClientSecret: is for config.auth.introspection.endpoint, which is not set" -}}
{{- end -}}

{{- if eq $v.store "memory" -}}
  {{- if and (not $v.autoscaling.enabled) (gt (int $v.replicas) 1) -}}
    {{- $say = append $say (printf "store: \"memory\" is of one process, and replicas is %d: devices that reach different ones never meet. Use redis, or one replica" (int $v.replicas)) -}}
  {{- end -}}
  {{- if $v.autoscaling.enabled }}{{ $say = append $say "store: \"memory\" is of one process, and autoscaling makes more: devices that reach different ones never meet. Use redis" }}{{ end -}}
  {{- if or $v.redis.bundled.enabled $v.redis.host $v.redis.url }}{{ $say = append $say "store: is \"memory\", so what redis says would not be used" }}{{ end -}}
{{- else -}}
  {{- $ways := list -}}
  {{- if $v.redis.host }}{{ $ways = append $ways "redis.host" }}{{ end -}}
  {{- if $v.redis.url }}{{ $ways = append $ways "redis.url" }}{{ end -}}
  {{- if $v.redis.bundled.enabled }}{{ $ways = append $ways "redis.bundled.enabled" }}{{ end -}}
  {{- if not $ways }}{{ $say = append $say "redis: say which one: redis.host, redis.url, or redis.bundled.enabled for trying out" }}{{ end -}}
  {{- if gt (len $ways) 1 }}{{ $say = append $say (printf "redis: %s are set; keep one" (join " and " $ways)) }}{{ end -}}
  {{- if and $v.redis.url (or $v.redis.password $v.redis.username $v.redis.nodes) }}{{ $say = append $say "redis.url: is the whole of it; username, password and nodes beside it would not be used" }}{{ end -}}
  {{- if and $v.redis.url (not $v.networkPolicy.redis.ports) $v.networkPolicy.enabled }}{{ $say = append $say "networkPolicy.redis.ports: are needed with redis.url, since a policy must know them" }}{{ end -}}
  {{- if and (eq $v.redis.topology "cluster") (int $v.redis.db) }}{{ $say = append $say "redis.db: a Cluster has database 0 alone" }}{{ end -}}
  {{- if $v.redis.bundled.enabled -}}
    {{- if or (ne $v.redis.topology "standalone") $v.redis.tls.enabled $v.redis.nodes (int $v.redis.db) $v.redis.username (ne (int $v.redis.port) 6379) -}}
      {{- $say = append $say "redis.bundled: is one node without TLS, at its default port; topology, tls, nodes, db, username and port are those of another Redis" -}}
    {{- end -}}
    {{- $session := $v.config.session | default dict -}}
    {{- $needs := div (mul 7 (int ($session.max_live | default 10000))) 1024 -}}
    {{- if gt $needs (int64 $v.redis.bundled.maxmemoryMiB) }}{{ $say = append $say (printf "redis.bundled.maxmemoryMiB: config.session.max_live needs %d at least" $needs) }}{{ end -}}
  {{- end -}}
{{- end -}}

{{- if and $v.ingress.enabled (not $v.ingress.host) }}{{ $say = append $say "ingress.host: is needed: the homeserver's own" }}{{ end -}}
{{- if and $v.httpRoute.enabled (not $v.httpRoute.parentRefs) }}{{ $say = append $say "httpRoute.parentRefs: is needed: the homeserver's Gateway" }}{{ end -}}
{{- if and $v.httpRoute.enabled (not $v.httpRoute.hostnames) }}{{ $say = append $say "httpRoute.hostnames: is needed: the homeserver's own host" }}{{ end -}}
{{- if $v.autoscaling.enabled -}}
  {{- if gt (int $v.autoscaling.minReplicas) (int $v.autoscaling.maxReplicas) }}{{ $say = append $say "autoscaling.minReplicas: is above maxReplicas" }}{{ end -}}
  {{- if and (not $v.autoscaling.cpuUtilization) (not $v.autoscaling.customMetric) }}{{ $say = append $say "autoscaling: has nothing to scale by: cpuUtilization or customMetric" }}{{ end -}}
{{- end -}}
{{- if and (not $v.serviceAccount.create) (not $v.serviceAccount.name) }}{{ $say = append $say "serviceAccount.name: is needed where create is false" }}{{ end -}}
{{- if and $v.prometheusRule.enabled (not (contains "rendezvous" (include "rendezvous.fullname" .))) }}{{ $say = append $say (printf "fullnameOverride: the alerts find the scrape job by \"rendezvous\" in its name, and it would be %s" (include "rendezvous.fullname" .)) }}{{ end -}}

{{- if $say }}{{ fail (printf "\n\nThis cannot work:\n- %s\n" (join "\n- " $say)) }}{{ end -}}
{{- end }}
