{{/* Errors in the values of Kubernetes objects, one line each. Part of rendezvous.validate. */}}
{{- define "rendezvous.validate.kubernetes" -}}
{{- $v := .Values -}}
{{- $name := include "rendezvous.fullname" . -}}
{{- if not $v.image.repository }}
image.repository: required; the chart in the source repository has no default. Set the repository of your image
{{- end }}
{{- if eq (toString $v.enabled) "false" }}
enabled: false has no effect in this chart; it is meant for the condition of a parent chart
{{- end }}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) }}
fullnameOverride: the name of a Service must begin with a letter and contain no dots; found {{ $name }}
{{- end }}
{{- if and (eq $v.service.type "ClusterIP") $v.service.externalTrafficPolicy }}
service.externalTrafficPolicy: requires service.type NodePort or LoadBalancer
{{- end }}
{{- if ne $v.service.type "LoadBalancer" }}
{{- range $key := list "loadBalancerClass" "loadBalancerSourceRanges" }}{{ if get $v.service $key }}
service.{{ $key }}: requires service.type LoadBalancer
{{- end }}{{ end }}
{{- end }}
{{- if and (eq $v.service.ipFamilyPolicy "SingleStack") (gt (len $v.service.ipFamilies) 1) }}
service.ipFamilies: service.ipFamilyPolicy "SingleStack" allows one family
{{- end }}
{{- /* Below 1.29 is only `helm lint`, whose version is not that of a cluster: the chart's kubeVersion rejects an install. */}}
{{- if and $v.service.trafficDistribution (semverCompare ">=1.29.0-0 <1.31.0-0" .Capabilities.KubeVersion.Version) }}
service.trafficDistribution: requires Kubernetes 1.31 or later; found {{ .Capabilities.KubeVersion.Version }}
{{- end }}
{{- if and $v.prometheusRule.enabled (not (contains "rendezvous" $name)) }}
fullnameOverride: must contain "rendezvous" with prometheusRule.enabled, because the alerts select the scrape job by it; found {{ $name }}
{{- end }}
{{- if and $v.ingress.enabled (not $v.ingress.hosts) }}
ingress.hosts: required by ingress.enabled; list the homeserver's host
{{- end }}
{{- if and $v.httpRoute.enabled (not $v.httpRoute.parentRefs) }}
httpRoute.parentRefs: required by httpRoute.enabled; list the homeserver's Gateway
{{- end }}
{{- if and $v.httpRoute.enabled (not $v.httpRoute.hostnames) }}
httpRoute.hostnames: required by httpRoute.enabled; list the homeserver's host
{{- end }}
{{- if $v.config.msc4108.enabled }}
{{- $hold := include "rendezvous.milliseconds" (get ($v.config.msc4108.long_poll | default dict) "timeout" | default "2s") -}}
{{- range $key, $timeout := $v.httpRoute.timeouts }}
{{- $milliseconds := include "rendezvous.milliseconds" $timeout }}
{{- if and (ne $milliseconds "0") (le (int64 $milliseconds) (int64 $hold)) }}
httpRoute.timeouts.{{ $key }}: must be longer than config.msc4108.long_poll.timeout, for which a read may be held, {{ $hold }}ms; found {{ $timeout }}
{{- end }}
{{- end }}
{{- end }}
{{- if and (not $v.serviceAccount.create) (not $v.serviceAccount.name) }}
serviceAccount.name: required if serviceAccount.create is false
{{- end }}
{{- if and $v.serviceAccount.create $v.serviceAccount.name }}
serviceAccount.name: has no effect if serviceAccount.create is true; it names an existing ServiceAccount
{{- end }}
{{- include "rendezvous.validate.scaling" . }}
{{- include "rendezvous.validate.environment" . }}
{{- include "rendezvous.validate.pods" . }}
{{- range $key := list "serviceMonitor" "podMonitor" }}
{{- $monitor := get $v $key }}
{{- if and $monitor.tlsConfig (ne $monitor.scheme "https") }}
{{ $key }}.tlsConfig: has no effect without {{ $key }}.scheme "https"
{{- end }}
{{- end }}
{{- if and $v.serviceMonitor.enabled $v.podMonitor.enabled }}
podMonitor.enabled: must not be set together with serviceMonitor.enabled, because Prometheus would scrape each replica twice; keep one
{{- end }}
{{- end }}

{{/* The HorizontalPodAutoscaler and the PodDisruptionBudget. */}}
{{- define "rendezvous.validate.scaling" -}}
{{- $v := .Values -}}
{{- if $v.autoscaling.enabled }}
{{- if gt (int $v.autoscaling.minReplicas) (int $v.autoscaling.maxReplicas) }}
autoscaling.minReplicas: must not exceed autoscaling.maxReplicas
{{- end }}
{{- if and (not $v.autoscaling.cpuUtilization) (not $v.autoscaling.customMetric) }}
autoscaling: requires a metric: set autoscaling.cpuUtilization or autoscaling.customMetric
{{- end }}
{{- if and $v.autoscaling.cpuUtilization (not $v.resources.requests.cpu) }}
autoscaling.cpuUtilization: requires resources.requests.cpu, because it is a percentage of this request
{{- end }}
{{- end }}
{{- if and $v.autoscaling.enabled $v.autoscaling.cpuUtilization }}
{{- range $key := list "sidecars" "initContainers" }}
{{- range get $v $key }}
{{- if and (or (eq $key "sidecars") (eq (.restartPolicy | default "") "Always")) (not (get ((.resources | default dict).requests | default dict) "cpu")) }}
{{ $key }}: {{ .name }} requires resources.requests.cpu, because autoscaling.cpuUtilization is a percentage of the requests of all containers
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $v.podDisruptionBudget.enabled (regexMatch "^0+%?$" (toString $v.podDisruptionBudget.maxUnavailable)) }}
podDisruptionBudget.maxUnavailable: 0 blocks the drain of every node; set 1 or more, or set podDisruptionBudget.enabled to false
{{- end }}
{{- end }}

{{/* Environment variables. The server does not start with an unknown variable that begins with RENDEZVOUS_. The key in a
     variable's name is case-insensitive. */}}
{{- define "rendezvous.validate.environment" -}}
{{- $known := .Files.Get "files/environment-variables.txt" | splitList "\n" | compact -}}
{{- range .Values.extraEnv }}
{{- if hasPrefix "RENDEZVOUS_" .name }}
{{- $name := upper .name }}
{{- if regexMatch "^RENDEZVOUS_(CONFIG|AUTH__HOMESERVER__.*|HTTP__(LISTEN|TLS_(CERT|KEY)_FILE)|ADMIN__(LISTEN|TOKEN_FILE)|SHUTDOWN__.*|STORE__BACKEND|STORE__REDIS__(URL|(SENTINEL_)?PASSWORD)(_FILE)?|STORE__REDIS__(CERT|KEY)_FILE|(.*__)?CA_FILE|.*__CLIENT_SECRET(_FILE)?)$" $name }}
extraEnv: {{ .name }} must not be set here; the chart sets it from other values
{{- else if not (has $name $known) }}
extraEnv: {{ .name }} is not a key of the configuration, and the server would not start; for example, session.ttl is RENDEZVOUS_SESSION__TTL (docs/configuration.md)
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The update strategy, the DNS policy and the extra containers of the server pods. */}}
{{- define "rendezvous.validate.pods" -}}
{{- $v := .Values -}}
{{- $rolling := $v.updateStrategy.rollingUpdate | default dict -}}
{{- $surges := not (regexMatch "^0+%?$" (toString $rolling.maxSurge)) -}}
{{- if eq ($v.updateStrategy.type | default "") "RollingUpdate" }}
{{- if and (eq $v.store "memory") $surges }}
updateStrategy: with store "memory" a rolling update requires rollingUpdate.maxSurge: 0, because two pods would not share their sessions; or use type Recreate
{{- end }}
{{- if and (not $surges) (regexMatch "^0+%?$" (toString $rolling.maxUnavailable)) }}
updateStrategy.rollingUpdate: maxSurge and maxUnavailable must not both be 0, because no pod could be replaced
{{- end }}
{{- else if $rolling }}
updateStrategy.rollingUpdate: has no effect without updateStrategy.type "RollingUpdate"
{{- end }}
{{- if and (eq $v.dnsPolicy "None") (not $v.dnsConfig.nameservers) }}
dnsConfig.nameservers: required by dnsPolicy "None"
{{- end }}
{{- range concat $v.initContainers $v.sidecars }}
{{- if eq .name "matrix-rendezvous" }}
sidecars and initContainers: matrix-rendezvous is the name of the server's container; use another name
{{- end }}
{{- end }}
{{- end }}

{{/* Converts a duration such as 1m30s or 500ms to milliseconds. */}}
{{- define "rendezvous.milliseconds" -}}
{{- $sum := 0 -}}
{{- range regexFindAll "[0-9]+[a-z]+" . -1 -}}
{{- $sum = add $sum (mul (regexFind "[0-9]+" . | int64) (get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000) (regexFind "[a-z]+" .))) -}}
{{- end -}}
{{ $sum }}
{{- end }}
