{{/* 63 is what a label may have. */}}
{{- define "rendezvous.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* 46: a StatefulSet's name may have 52, since a label of its pods is that name, a hyphen and ten characters; and
     "-redis" is put behind this one. */}}
{{- define "rendezvous.fullname" -}}
{{- $name := include "rendezvous.name" . -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{ default $full .Values.fullnameOverride | trunc 46 | trimSuffix "-" }}
{{- end }}

{{/* The label component tells our pods from those of Redis and of the test. */}}
{{- define "rendezvous.selector" -}}
app.kubernetes.io/name: {{ include "rendezvous.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Ours, and those of the values where they are no others: dict root, component, and perhaps labels and pods. What
     changes with each release of the chart is on no pod, or the bundled Redis would start anew each time. */}}
{{- define "rendezvous.labels" -}}
{{- $labels := include "rendezvous.selector" . | fromYaml -}}
{{- $_ := merge $labels (dict "app.kubernetes.io/part-of" "matrix" "app.kubernetes.io/managed-by" .root.Release.Service) -}}
{{- if not .pods -}}
{{- $_ := merge $labels (dict "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_") "app.kubernetes.io/version" .root.Chart.AppVersion) -}}
{{- end -}}
{{ merge $labels (.labels | default dict) .root.Values.labels | toYaml }}
{{- end }}

{{/* name, labels and annotations of an object: dict root, component, and perhaps suffix, labels, annotations */}}
{{- define "rendezvous.metadata" -}}
name: {{ printf "%s%s" (include "rendezvous.fullname" .root) (.suffix | default "") | quote }}
namespace: {{ .root.Release.Namespace | quote }}
labels:
  {{- include "rendezvous.labels" . | nindent 2 }}
{{- with merge dict (.annotations | default dict) .root.Values.annotations }}
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

{{/* Three prefixes, all from the start: one that is not served answers 404 (docs/routing.md). */}}
{{- define "rendezvous.prefixes" -}}
/_matrix/client/unstable/io.element.msc4388/rendezvous /_matrix/client/unstable/org.matrix.msc4108/rendezvous /_matrix/client/v1/rendezvous
{{- end }}
