{{/* Evaluates each string in a value as a template (tpl), so that a value can refer to the release or to global values. Output:
     JSON. Input: dict with root, and value. */}}
{{- define "rendezvous.evaluate" -}}
{{- $root := .root -}}
{{- if kindIs "map" .value -}}
{ {{- range $i, $key := keys .value | sortAlpha }}{{ if $i }},{{ end }}{{ toJson $key }}:{{ include "rendezvous.evaluate" (dict "root" $root "value" (get $.value $key)) }}{{ end -}} }
{{- else if kindIs "slice" .value -}}
[ {{- range $i, $item := .value }}{{ if $i }},{{ end }}{{ include "rendezvous.evaluate" (dict "root" $root "value" $item) }}{{ end -}} ]
{{- else if kindIs "string" .value -}}
{{ include "rendezvous.evaluateString" . | toJson }}
{{- else -}}
{{ toJson .value }}
{{- end -}}
{{- end }}

{{/* Evaluates a string as a template. A call of tpl takes milliseconds in Helm 3, so it is only for strings that need it. Input: dict
     with root, and value. */}}
{{- define "rendezvous.evaluateString" -}}
{{ if contains "{{" .value }}{{ tpl .value .root }}{{ else }}{{ .value }}{{ end }}
{{- end }}

{{/* As rendezvous.evaluate, with YAML as output. */}}
{{- define "rendezvous.evaluateYaml" -}}
{{- $evaluated := include "rendezvous.evaluate" (dict "root" .root "value" (dict "value" .value)) | fromJson -}}
{{ toYaml $evaluated.value }}
{{- end }}

{{/* As rendezvous.evaluate, for a list of host names. Output: words. */}}
{{- define "rendezvous.evaluateHosts" -}}
{{- include "rendezvous.evaluateYaml" . | fromYamlArray | join " " -}}
{{- end }}

{{/* The value `config`, evaluated, as JSON. */}}
{{- define "rendezvous.config" -}}
{{ include "rendezvous.evaluate" (dict "root" . "value" .Values.config) }}
{{- end }}
