{{/* Everything that cannot work, or would be ignored, in one failure: who mends one thing at a time deploys as many
     times. Each part below, and in _validate_redis.tpl, gives a line for each. */}}
{{- define "rendezvous.validate" -}}
{{- $say := list -}}
{{- range $part := list "config" "redis" "kubernetes" -}}
{{- range splitList "\n" (include (print "rendezvous.validate." $part) $) }}{{ with trim . }}{{ $say = append $say . }}{{ end }}{{ end -}}
{{- end -}}
{{- if $say }}{{ fail (printf "\n\nThis cannot work:\n- %s\n" (join "\n- " $say)) }}{{ end -}}
{{- end }}

{{- define "rendezvous.validate.config" -}}
{{- $v := .Values -}}
{{- $config := $v.config -}}
{{- $auth := $config.auth | default dict -}}
{{- $http := $config.http | default dict -}}
{{- $homeservers := $auth.homeserver | default list -}}
{{- $introspection := $auth.introspection | default dict -}}
{{- $hosts := dict -}}
{{- range $i, $one := $homeservers }}
{{- range $host := $one.host }}
{{- $name := lower (trimSuffix "." $host) -}}
{{- if hasKey $hosts $name }}
config.auth.homeserver[{{ $i }}].host: {{ $host }} is named twice
{{- end }}
{{- $_ := set $hosts $name true -}}
{{- end }}
{{- if and (eq ($one.mode | default $config.mode) "authenticated") (not $one.homeserver_url) }}
config.auth.homeserver[{{ $i }}].mode: "authenticated" needs somebody who says whose a token is: .homeserver_url
{{- end }}
{{- if and $config.msc4108.enabled (not $one.public_base_url) }}
config.auth.homeserver[{{ $i }}].public_base_url: is needed with config.msc4108.enabled, whose sessions are URLs
{{- end }}
{{- end }}
{{- if $homeservers }}
{{- range $key, $set := dict "config.auth.homeserver_url" $auth.homeserver_url "config.auth.introspection" $introspection "config.http.public_base_url" $http.public_base_url }}
{{- if $set }}
{{ $key }}: is set beside config.auth.homeserver; set it in the entries
{{- end }}
{{- end }}
{{- else }}
{{- if and (eq $config.mode "authenticated") (not $auth.homeserver_url) (not $introspection.endpoint) }}
config.mode: "authenticated" needs somebody who says whose a token is: config.auth.homeserver_url, or .introspection.endpoint
{{- end }}
{{- if and $config.msc4108.enabled (not $http.public_base_url) }}
config.http.public_base_url: is needed with config.msc4108.enabled, whose sessions are URLs; as in https://matrix.example.org
{{- end }}
{{- end }}
{{- if and $introspection.endpoint $auth.homeserver_url }}
config.auth.introspection.endpoint: is set beside config.auth.homeserver_url; keep one
{{- end }}
{{- if and $introspection.endpoint (not $v.introspectionClientSecret) }}
introspectionClientSecret: is needed with config.auth.introspection.endpoint
{{- end }}
{{- if and $introspection.client_id (not $introspection.endpoint) }}
config.auth.introspection.client_id: is for its endpoint, which is not set
{{- end }}
{{- if and $v.introspectionClientSecret (not $introspection.endpoint) }}
introspectionClientSecret: is for config.auth.introspection.endpoint, which is not set
{{- end }}
{{- if and $http.proxy_protocol (not $http.trusted_proxies) }}
config.http.proxy_protocol: needs config.http.trusted_proxies: whoever may send its header may be anyone
{{- end }}
{{- if and $http.proxy_protocol $v.tests.enabled }}
tests.enabled: helm test sends no PROXY header, and with config.http.proxy_protocol nobody is answered without
{{- end }}
{{- if and $v.ca (not (include "rendezvous.upstreams" . | trim)) }}
ca: is for the homeserver and the collector of traces, and config names neither
{{- end }}
{{- end }}

{{- define "rendezvous.validate.kubernetes" -}}
{{- $v := .Values -}}
{{- $name := include "rendezvous.fullname" . -}}
{{- if not $v.image.repository }}
image.repository: say where your registry has the image: a chart out of the repository does not know
{{- end }}
{{- if eq (toString $v.enabled) "false" }}
enabled: is for the condition of a chart above this one, which would not have rendered it
{{- end }}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) }}
fullnameOverride: a Service's name begins with a letter, and has no dots; it would be {{ $name }}
{{- end }}
{{- if and (eq $v.service.type "ClusterIP") $v.service.externalTrafficPolicy }}
service.externalTrafficPolicy: is for a NodePort or a LoadBalancer
{{- end }}
{{- if and $v.prometheusRule.enabled (not (contains "rendezvous" $name)) }}
fullnameOverride: the alerts find the scrape job by "rendezvous" in its name, and it would be {{ $name }}
{{- end }}
{{- if and $v.ingress.enabled (not $v.ingress.hosts) }}
ingress.hosts: is needed: the homeserver's own
{{- end }}
{{- if and $v.httpRoute.enabled (not $v.httpRoute.parentRefs) }}
httpRoute.parentRefs: is needed: the homeserver's Gateway
{{- end }}
{{- if and $v.httpRoute.enabled (not $v.httpRoute.hostnames) }}
httpRoute.hostnames: is needed: the homeserver's own host
{{- end }}
{{- if $v.autoscaling.enabled }}
{{- if gt (int $v.autoscaling.minReplicas) (int $v.autoscaling.maxReplicas) }}
autoscaling.minReplicas: is above maxReplicas
{{- end }}
{{- if and (not $v.autoscaling.cpuUtilization) (not $v.autoscaling.customMetric) }}
autoscaling: has nothing to scale by: cpuUtilization or customMetric
{{- end }}
{{- end }}
{{- if and (not $v.serviceAccount.create) (not $v.serviceAccount.name) }}
serviceAccount.name: is needed where create is false
{{- end }}
{{- if and $v.serviceAccount.create $v.serviceAccount.name }}
serviceAccount.name: is of one that exists; with create it would not be used
{{- end }}
{{- range $v.extraEnv }}
{{- if regexMatch "^RENDEZVOUS_(CONFIG|HTTP__LISTEN|ADMIN__LISTEN|SHUTDOWN__.*|STORE__BACKEND|STORE__REDIS__(URL|(SENTINEL_)?PASSWORD)(_FILE)?|(.*__)?CA_FILE|.*__CLIENT_SECRET(_FILE)?)$" .name }}
extraEnv: {{ .name }} is the chart's to set, by other values
{{- end }}
{{- end }}
{{- end }}
