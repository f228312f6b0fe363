{{/* Security context of every container of this chart: no privileges, read-only root file system. */}}
{{- define "rendezvous.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Pod security context. Input: dict with root, and optionally user (a UID that replaces the three ids). A null in the
     values removes its line; Helm versions differ in how they treat a null. */}}
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

{{/* Common to every pod of this chart: service account, scheduling, image pull secrets. */}}
{{- define "rendezvous.scheduling" -}}
serviceAccountName: {{ include "rendezvous.serviceAccount" . | quote }}
automountServiceAccountToken: false
# Otherwise Kubernetes sets variables such as RENDEZVOUS_PORT for a Service of that name, which are unknown keys.
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
