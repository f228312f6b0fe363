{{/* Rejects every combination of values that cannot work or would be ignored, all in one failure, so that one more
     deploy is enough to fix them. Each template below, and in the files _validate_*.tpl, outputs one line per error. */}}
{{- define "rendezvous.validate" -}}
{{- $errors := list -}}
{{- range $part := list "config" "redis" "doctor" "kubernetes" "healthCheck" "evaluated" -}}
{{- range splitList "\n" (include (print "rendezvous.validate." $part) $) }}{{ with trim . }}{{ $errors = append $errors . }}{{ end }}{{ end -}}
{{- end -}}
{{- if $errors }}{{ fail (printf "\n\nInvalid values:\n- %s\n" (join "\n- " $errors)) }}{{ end -}}
{{- end }}

{{- define "rendezvous.validate.config" -}}
{{- $v := .Values -}}
{{- $config := include "rendezvous.config" . | fromJson -}}
{{- $auth := $config.auth | default dict -}}
{{- $http := $config.http | default dict -}}
{{- $homeservers := $auth.homeserver | default list -}}
{{- $introspection := $auth.introspection | default dict -}}
{{- $hosts := dict -}}
{{- range $i, $one := $homeservers }}
{{- range $host := $one.host }}
{{- $name := lower (trimSuffix "." $host) -}}
{{- if hasKey $hosts $name }}
config.auth.homeserver[{{ $i }}].host: {{ $host }} is listed twice
{{- end }}
{{- $_ := set $hosts $name true -}}
{{- end }}
{{- if and (eq ($one.mode | default $config.mode) "authenticated") (not $one.homeserver_url) }}
config.auth.homeserver[{{ $i }}].mode: "authenticated" requires config.auth.homeserver[{{ $i }}].homeserver_url
{{- end }}
{{- if and $config.msc4108.enabled (not $one.public_base_url) }}
config.auth.homeserver[{{ $i }}].public_base_url: required by config.msc4108.enabled, because its sessions are URLs
{{- end }}
{{- end }}
{{- if $homeservers }}
{{- range $key, $set := dict "config.auth.homeserver_url" $auth.homeserver_url "config.auth.introspection" $introspection "config.http.public_base_url" $http.public_base_url }}
{{- if $set }}
{{ $key }}: must not be set together with config.auth.homeserver; set it in the entries
{{- end }}
{{- end }}
{{- else }}
{{- if and (eq $config.mode "authenticated") (not $auth.homeserver_url) (not $introspection.endpoint) }}
config.mode: "authenticated" requires config.auth.homeserver_url or config.auth.introspection.endpoint
{{- end }}
{{- if and $config.msc4108.enabled (not $http.public_base_url) }}
config.http.public_base_url: required by config.msc4108.enabled, because its sessions are URLs; for example https://matrix.example.org
{{- end }}
{{- end }}
{{- if and $introspection.endpoint $auth.homeserver_url }}
config.auth.introspection.endpoint: must not be set together with config.auth.homeserver_url; keep one
{{- end }}
{{- if and $introspection.endpoint (not $v.introspectionClientSecret) }}
introspectionClientSecret: required by config.auth.introspection.endpoint
{{- end }}
{{- if and $introspection.client_id (not $introspection.endpoint) }}
config.auth.introspection.client_id: has no effect without config.auth.introspection.endpoint
{{- end }}
{{- if and $v.introspectionClientSecret (not $introspection.endpoint) }}
introspectionClientSecret: has no effect without config.auth.introspection.endpoint
{{- end }}
{{- if and $http.proxy_protocol (not $http.trusted_proxies) }}
config.http.proxy_protocol: requires config.http.trusted_proxies, or any peer could spoof its address
{{- end }}
{{- if and $http.proxy_protocol $v.tests.enabled }}
tests.enabled: must be false with config.http.proxy_protocol, because helm test sends no PROXY protocol header
{{- end }}
{{- if $v.tests.token }}
{{- if not $v.tests.enabled }}
tests.token: has no effect without tests.enabled
{{- else if ne ((first ($homeservers | default (list dict))).mode | default $config.mode) "authenticated" }}
tests.token: has no effect unless config.mode, or the mode of the first entry of config.auth.homeserver, is "authenticated"
{{- end }}
{{- end }}
{{- if and $v.ca (not (include "rendezvous.outboundUrls" . | trim)) (not $v.tls.certificateSecret) }}
ca: has no effect, because config contains neither a homeserver nor a collector, and tls.certificateSecret is not set
{{- end }}
{{- end }}

{{/* Health checks of cloud load balancers on the HTTP port. */}}
{{- define "rendezvous.validate.healthCheck" -}}
{{- $v := .Values -}}
{{- $http := (include "rendezvous.config" . | fromJson).http | default dict -}}
{{- $path := get $http "readiness_path" -}}
{{- $probe := $v.probes.readiness -}}
{{- if $v.healthCheck.gke.enabled }}
{{- if not $path }}
healthCheck.gke.enabled: requires config.http.readiness_path, which the load balancer requests on the HTTP port; for example /readyz
{{- end }}
{{- if $http.proxy_protocol }}
healthCheck.gke.enabled: must be false with config.http.proxy_protocol, because the health check sends no PROXY protocol header
{{- end }}
{{- if gt (int $probe.timeoutSeconds) (int $probe.periodSeconds) }}
probes.readiness.timeoutSeconds: must not exceed periodSeconds with healthCheck.gke.enabled, because Google rejects that
{{- end }}
{{- if gt (max (int $probe.successThreshold) (int $probe.failureThreshold)) 10 }}
probes.readiness: successThreshold and failureThreshold must not exceed 10 with healthCheck.gke.enabled, because Google rejects that
{{- end }}
{{- if and (eq $v.healthCheck.gke.kind "BackendConfig") (hasKey $v.service.annotations "cloud.google.com/backend-config") }}
service.annotations: cloud.google.com/backend-config must not be set with healthCheck.gke.kind "BackendConfig", which sets it
{{- end }}
{{- end }}
{{- $alb := "alb.ingress.kubernetes.io/healthcheck-path" -}}
{{- range $name, $annotations := dict "ingress.annotations" $v.ingress.annotations "service.annotations" $v.service.annotations }}
{{- if and (hasKey $annotations $alb) (ne (get $annotations $alb) ($path | default "")) }}
{{ $name }}: {{ $alb }} must be config.http.readiness_path, the only path of the HTTP port that reports readiness; found {{ get $annotations $alb }}, and {{ $path | default "no readiness_path" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "rendezvous.validate.doctor" -}}
{{- $doctor := .Values.doctor -}}
{{- if $doctor.enabled }}
{{- if not .Values.config.msc4108.enabled }}
doctor.enabled: requires config.msc4108.enabled, because the doctor checks the dialect of released clients
{{- else if and (not $doctor.server) (not $doctor.inside) (contains " " (include "rendezvous.publicBaseUrls" .)) }}
doctor.server: required, because config.auth.homeserver has several values of public_base_url; or set doctor.inside, to check each
{{- end }}
{{- else }}
{{- range $key := list "server" "inside" "schedule" }}{{ if get $doctor $key }}
doctor.{{ $key }}: has no effect without doctor.enabled
{{- end }}{{ end }}
{{- end }}
{{- end }}
