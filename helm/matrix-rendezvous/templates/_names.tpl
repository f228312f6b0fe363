{{/* A label value has at most 63 characters. */}}
{{- define "rendezvous.name" -}}
{{ include "rendezvous.evaluateString" (dict "root" . "value" (default .Chart.Name .Values.nameOverride)) | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* At most 45 characters. The name of a StatefulSet has at most 52, because a label of its pods is that name, a hyphen
     and ten characters, and that of a CronJob too; and "-redis" or "-doctor" is appended to this name. */}}
{{- define "rendezvous.fullname" -}}
{{- $name := include "rendezvous.name" . -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{ include "rendezvous.evaluateString" (dict "root" . "value" (default $full .Values.fullnameOverride)) | trunc 45 | trimSuffix "-" }}
{{- end }}

{{/* Selector labels. The label component distinguishes the server pods from those of Redis, of the doctor and of the tests. */}}
{{- define "rendezvous.selector" -}}
app.kubernetes.io/name: {{ include "rendezvous.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* The chart's labels, plus those of the values, which cannot override them. Input: dict with root, component, and
     optionally labels and pods. Pods get no label that changes with each chart release, or the bundled Redis would
     restart with every upgrade. */}}
{{- define "rendezvous.labels" -}}
{{- $labels := include "rendezvous.selector" . | fromYaml -}}
{{- $_ := merge $labels (dict "app.kubernetes.io/part-of" "matrix" "app.kubernetes.io/managed-by" .root.Release.Service) -}}
{{- if not .pods -}}
{{- $_ := merge $labels (dict "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_") "app.kubernetes.io/version" .root.Chart.AppVersion) -}}
{{- end -}}
{{ merge $labels (.labels | default dict) .root.Values.labels | toYaml }}
{{- end }}

{{/* Name, labels and annotations of an object. Input: dict with root, component, and optionally suffix, labels,
     annotations, and namespace (default: that of the release). */}}
{{- define "rendezvous.metadata" -}}
name: {{ printf "%s%s" (include "rendezvous.fullname" .root) (.suffix | default "") | quote }}
namespace: {{ .namespace | default .root.Release.Namespace | quote }}
labels:
  {{- include "rendezvous.labels" . | nindent 2 }}
{{- with merge dict (.annotations | default dict) .root.Values.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Image reference. Input: dict with root, and image (a value with registry, repository, tag and digest). The registry is
     global.imageRegistry, or that of the image. It replaces the registry in the repository: the part before the first slash,
     if it has a dot or a colon, or is localhost. The digest replaces the tag, whose default is the chart's appVersion. */}}
{{- define "rendezvous.image" -}}
{{- $registry := (.root.Values.global | default dict).imageRegistry | default .image.registry -}}
{{- if $registry }}{{ $registry }}/{{ regexReplaceAll "^([^/]*[.:][^/]*|localhost)/" .image.repository "" }}{{ else }}{{ .image.repository }}{{ end -}}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default .root.Chart.AppVersion }}{{ end }}
{{- end }}

{{/* Name of the service account of every pod. */}}
{{- define "rendezvous.serviceAccount" -}}
{{ if .Values.serviceAccount.create }}{{ include "rendezvous.fullname" . }}{{ else }}{{ include "rendezvous.evaluateString" (dict "root" . "value" .Values.serviceAccount.name) }}{{ end }}
{{- end }}

{{/* All three path prefixes, even if a dialect is off: the server returns 404 there (docs/routing.md). */}}
{{- define "rendezvous.pathPrefixes" -}}
/_matrix/client/unstable/io.element.msc4388/rendezvous /_matrix/client/unstable/org.matrix.msc4108/rendezvous /_matrix/client/v1/rendezvous
{{- end }}
