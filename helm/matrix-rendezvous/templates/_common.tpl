{{/* Security context of every container of this chart. */}}
{{- define "rendezvous.containerSecurity" -}}
{{ include "rendezvous.withoutNull" .Values.securityContext }}
{{- end }}

{{/* Outputs a map without the keys whose value is null. A null in the values removes a line; Helm versions differ in how they
     treat a null. */}}
{{- define "rendezvous.withoutNull" -}}
{{- $kept := dict -}}
{{- range $key, $value := . -}}
{{- if not (kindIs "invalid" $value) }}{{ $_ := set $kept $key $value }}{{ end -}}
{{- end -}}
{{ toYaml $kept }}
{{- end }}

{{/* Pod security context. Input: dict with root, and optionally user (a UID that replaces the three ids). */}}
{{- define "rendezvous.podSecurity" -}}
{{- $context := include "rendezvous.withoutNull" .root.Values.podSecurityContext | fromYaml -}}
{{- if .user }}{{ range list "runAsUser" "runAsGroup" "fsGroup" -}}
{{- if hasKey $context . }}{{ $_ := set $context . $.user }}{{ end -}}
{{- end }}{{ end -}}
{{ toYaml $context }}
{{- end }}

{{/* Common to every pod of this chart: service account, scheduling, image pull secrets, names and DNS. */}}
{{- define "rendezvous.scheduling" -}}
serviceAccountName: {{ include "rendezvous.serviceAccount" . | quote }}
automountServiceAccountToken: false
# Otherwise Kubernetes sets variables such as RENDEZVOUS_PORT for a Service of that name, which are unknown keys.
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- include "rendezvous.evaluateYaml" (dict "root" $ "value" .) | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.dnsPolicy }}
dnsPolicy: {{ . | quote }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
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
