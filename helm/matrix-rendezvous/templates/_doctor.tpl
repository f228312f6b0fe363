{{/* The public base URLs in the configuration, as words. */}}
{{- define "rendezvous.publicBaseUrls" -}}
{{- $urls := list -}}
{{- $config := include "rendezvous.config" . | fromJson -}}
{{- range prepend (($config.auth | default dict).homeserver | default list) ($config.http | default dict) -}}
  {{- with .public_base_url }}{{ $urls = append $urls . }}{{ end -}}
{{- end -}}
{{ $urls | uniq | join " " }}
{{- end }}

{{/* The public base URLs that `helm test` checks, as words. None without the ETag dialect: the doctor checks that of
     released clients. */}}
{{- define "rendezvous.tests.urls" -}}
{{- if and .Values.tests.enabled .Values.tests.publicUrls .Values.config.msc4108.enabled }}{{ include "rendezvous.publicBaseUrls" . }}{{ end -}}
{{- end }}

{{/* The public base URL by whose host `helm test` checks the Service. None without the ETag dialect. */}}
{{- define "rendezvous.tests.serviceUrl" -}}
{{- if and .Values.tests.enabled .Values.config.msc4108.enabled }}{{ include "rendezvous.publicBaseUrls" . | splitList " " | first }}{{ end -}}
{{- end }}

{{/* The distinct ports to which the doctor connects, as words. Input: dict with root, and targets (server names and base
     URLs) as words. The file .well-known/matrix/client of a server name is on port 443. */}}
{{- define "rendezvous.doctor.ports" -}}
{{- $ports := list -}}
{{- if .targets }}{{ range .root.Values.networkPolicy.doctor.ports }}{{ $ports = append $ports (toString .) }}{{ end }}{{ end -}}
{{- if not $ports -}}
{{- range splitList " " .targets | compact -}}
  {{- if not (contains "://" .) }}{{ $ports = append $ports "443" }}{{ end -}}
  {{- $url := contains "://" . | ternary . (printf "https://%s" .) | urlParse -}}
  {{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) -}}
  {{- $ports = append $ports ($port | default (eq $url.scheme "https" | ternary "443" "80")) -}}
{{- end -}}
{{- end -}}
{{ $ports | uniq | join " " }}
{{- end }}

{{/* The argument SERVER of the doctor: doctor.server, or the only public base URL. None if the configuration, which the pod
     then has, lists what to check. */}}
{{- define "rendezvous.doctor.target" -}}
{{- if .Values.doctor.server }}{{ include "rendezvous.evaluateString" (dict "root" . "value" .Values.doctor.server) }}
{{- else if not .Values.doctor.inside }}{{ include "rendezvous.publicBaseUrls" . }}
{{- end -}}
{{- end }}

{{/* What a pod of the doctor mounts, as in rendezvous.mounts. Input: dict with root, inside (with the configuration), and
     optionally token (with the access token of `helm test`). */}}
{{- define "rendezvous.doctor.mounts" -}}
{{- if .inside }}{{ include "rendezvous.mounts" .root }}{{ else }}{{ include "rendezvous.caMount" (dict "root" .root "name" "platform" "source" .root.Values.ca) }}{{ end -}}
{{- if .token }}{{ include "rendezvous.tests.tokenMount" .root }}{{ end -}}
{{- end }}

{{/* Mounts the access token of `helm test`, as rendezvous.mounts does. */}}
{{- define "rendezvous.tests.tokenMount" -}}
{{- include "rendezvous.secretMount" (dict "root" . "name" "tests-token" "source" .Values.tests.token "ownSecret" (include "rendezvous.fullname" .) "path" "token") }}
{{- end }}

{{/* A container that runs the doctor. Input: dict with root, name, inside, args, target (a list), resources, and optionally
     probes (with --watch) and token (with the access token of `helm test`). */}}
{{- define "rendezvous.doctor.container" -}}
{{- $values := .root.Values -}}
{{- $args := prepend .args "doctor" -}}
{{- if $values.ca }}{{ $args = concat $args (list "--ca-file" "/run/ca/platform/ca.pem") }}{{ end -}}
{{- if .token }}{{ $args = concat $args (list "--token-file" "/run/secrets/tests-token/token") }}{{ end -}}
- name: {{ .name }}
  image: {{ include "rendezvous.image" (dict "root" .root "image" $values.image) | quote }}
  imagePullPolicy: {{ $values.image.pullPolicy }}
  args:
    {{- concat $args .target | toYaml | nindent 4 }}
  env:
    {{- if .inside }}
    {{- include "rendezvous.env" .root | nindent 4 }}
    {{- else }}
    # The image sets these variables. Empty ones are no configuration, so the doctor checks only from outside.
    - { name: RENDEZVOUS_HTTP__LISTEN, value: "" }
    - { name: RENDEZVOUS_ADMIN__LISTEN, value: "" }
    {{- end }}
  {{- if .inside }}
  {{- with include "rendezvous.envFrom" .root | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- end }}
  {{- if .probes }}
  ports:
    - { name: metrics, containerPort: 8082, protocol: TCP }
  {{- range $probe := list "startup" "readiness" "liveness" }}
  {{ $probe }}Probe:
    httpGet: { path: /healthz, port: metrics, scheme: HTTP }
    {{- get $values.probes $probe | toYaml | nindent 4 }}
  {{- end }}
  {{- end }}
  resources:
    {{- toYaml .resources | nindent 4 }}
  securityContext:
    {{- include "rendezvous.containerSecurity" .root | nindent 4 }}
  {{- with include "rendezvous.doctor.volumeMounts" . | trim }}
  volumeMounts:
    {{- . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* A pod of `helm test` that runs the doctor: a container for each of urls. The first URL is that of the first homeserver, whose
     user the access token is of. It stays until the next test, so that its log can be
     read. Input: dict with root, suffix, weight, args, and urls (a list). */}}
{{- define "rendezvous.tests.doctor" -}}
{{- $input := . -}}
apiVersion: v1
kind: Pod
metadata:
  {{- include "rendezvous.metadata" (dict "root" .root "component" "test" "suffix" .suffix "annotations" (dict "helm.sh/hook" "test" "helm.sh/hook-weight" .weight "helm.sh/hook-delete-policy" "before-hook-creation")) | nindent 2 }}
spec:
  restartPolicy: Never
  # A run takes seconds. A request without a response ends after 15 s, and checks that need it are skipped.
  activeDeadlineSeconds: 300
  {{- include "rendezvous.scheduling" .root | nindent 2 }}
  securityContext:
    {{- include "rendezvous.podSecurity" (dict "root" .root) | nindent 4 }}
  containers:
    {{- range $i, $url := .urls }}
    {{- include "rendezvous.doctor.container" (dict "root" $input.root "name" (printf "doctor-%d" $i) "inside" false "args" $input.args "target" (list $url) "resources" $input.root.Values.doctor.resources "token" (and (eq $i 0) $input.root.Values.tests.token)) | nindent 4 }}
    {{- end }}
  {{- with include "rendezvous.doctor.volumes" (dict "root" .root "inside" false "token" .root.Values.tests.token) | trim }}
  volumes:
    {{- . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* The pod of the Deployment or of the CronJob. It needs no checksum of the configuration: the doctor reads it before each run.
     Input: as for the container, and optionally restartPolicy. */}}
{{- define "rendezvous.doctor.pod" -}}
metadata:
  labels:
    {{- include "rendezvous.labels" (dict "root" .root "component" "qr-doctor" "pods" true) | nindent 4 }}
spec:
  {{- with .restartPolicy }}
  restartPolicy: {{ . }}
  {{- end }}
  {{- include "rendezvous.scheduling" .root | nindent 2 }}
  # The doctor ends at once at SIGTERM.
  terminationGracePeriodSeconds: 10
  securityContext:
    {{- include "rendezvous.podSecurity" (dict "root" .root) | nindent 4 }}
  containers:
    {{- include "rendezvous.doctor.container" . | nindent 4 }}
  {{- with include "rendezvous.doctor.volumes" . | trim }}
  volumes:
    {{- . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "rendezvous.doctor.volumeMounts" -}}
{{- range include "rendezvous.doctor.mounts" . | fromYamlArray }}
- { name: {{ .name }}, mountPath: {{ .path }}, readOnly: true }
{{- end }}
{{- if .inside }}{{ with .root.Values.extraVolumeMounts }}
{{ include "rendezvous.evaluateYaml" (dict "root" $.root "value" .) }}
{{- end }}{{ end }}
{{- end }}

{{/* The volumes of these mounts. Input: dict with root, inside, and optionally token. */}}
{{- define "rendezvous.doctor.volumes" -}}
{{- range include "rendezvous.doctor.mounts" . | fromYamlArray }}
- name: {{ .name }}
  {{- toYaml .volume | nindent 2 }}
{{- end }}
{{- if .inside }}{{ with .root.Values.extraVolumes }}
{{ include "rendezvous.evaluateYaml" (dict "root" $.root "value" .) }}
{{- end }}{{ end }}
{{- end }}
