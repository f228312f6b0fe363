{{- define "rendezvous.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{/* 50, so that a suffix, and what Kubernetes puts behind a pod's name, still fit into 63. */}}
{{- define "rendezvous.fullname" -}}
{{- $name := include "rendezvous.name" . -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{ default $full .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{/* The label component tells our pods from those of Redis and of the test. */}}
{{- define "rendezvous.selector" -}}
app.kubernetes.io/name: {{ include "rendezvous.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "rendezvous.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{ include "rendezvous.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: matrix
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- with .root.Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* name, labels and annotations of an object: dict root, component, and perhaps suffix, labels, annotations */}}
{{- define "rendezvous.metadata" -}}
name: {{ include "rendezvous.fullname" .root }}{{ .suffix }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "rendezvous.labels" . | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- $annotations := merge dict (.annotations | default dict) .root.Values.annotations }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "rendezvous.image" -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag }}{{ end }}
{{- end }}

{{- define "rendezvous.serviceAccount" -}}
{{ if .Values.serviceAccount.create }}{{ include "rendezvous.fullname" . }}{{ else }}{{ .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{/* As in config.homeserver's own router: three prefixes, all from the start (docs/routing.md). */}}
{{- define "rendezvous.prefixes" -}}
/_matrix/client/unstable/io.element.msc4388/rendezvous /_matrix/client/unstable/org.matrix.msc4108/rendezvous /_matrix/client/v1/rendezvous
{{- end }}

{{/* Of every container here: what it could do beyond its task is taken from it. */}}
{{- define "rendezvous.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "rendezvous.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}
