{{/* Of every container here: what it could do beyond its task is taken from it. */}}
{{- define "rendezvous.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* dict root, and perhaps another user. A null among the values takes a line away; Helm itself drops it, or leaves it. */}}
{{- define "rendezvous.podSecurity" -}}
{{- $context := dict -}}
{{- range $key, $value := .root.Values.podSecurityContext -}}
{{- if not (kindIs "invalid" $value) }}{{ $_ := set $context $key $value }}{{ end -}}
{{- end -}}
{{- if .user }}{{ range list "runAsUser" "runAsGroup" "fsGroup" -}}
{{- if hasKey $context . }}{{ $_ := set $context . $.user }}{{ end -}}
{{- end }}{{ end -}}
{{ toYaml $context }}
{{- end }}

{{/* Of every pod here: whose it is, where it may run, and what its images are fetched with. */}}
{{- define "rendezvous.scheduling" -}}
serviceAccountName: {{ include "rendezvous.serviceAccount" . | quote }}
automountServiceAccountToken: false
# Variables such as RENDEZVOUS_PORT of a Service by that name would be unknown keys of the configuration.
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
