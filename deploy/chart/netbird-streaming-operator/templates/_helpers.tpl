{{- define "operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "operator.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains (include "operator.name" .) .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "operator.name" .) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "operator.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "operator.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name: name the ServiceAccount to use, or set serviceAccount.create to true" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- /* One Lease for a namespace, whatever the release is called: two releases there must not both act. */ -}}
{{- define "operator.lease" -}}netbird-streaming-operator{{- end -}}

{{- /* Constant for the same reason, and so that a new release finds the key of the former one. */ -}}
{{- define "operator.keySecret" -}}netbird-streaming-operator-fingerprint-key{{- end -}}

{{- define "operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "operator.labels" -}}
{{ include "operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "operator.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "operator.subjects" -}}
subjects:
  - kind: ServiceAccount
    name: {{ include "operator.serviceAccount" . }}
    namespace: {{ .Release.Namespace }}
{{- end -}}

{{- /* What is done with the kinds that have a namespace, and with what they refer to. */ -}}
{{- define "operator.namespacedRules" -}}
- apiGroups: [integrations.netbird.io]
  resources: [eventstreamingintegrations, netbirdconnections]
  verbs: [get, list, watch, patch]
- apiGroups: [integrations.netbird.io]
  resources: [eventstreamingintegrations/status, netbirdconnections/status]
  verbs: [patch]
{{ include "operator.referenceRules" . }}
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}

{{- define "operator.referenceRules" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [get{{ if .Values.secretWatch }}, list, watch{{ end }}]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get]
{{- end -}}

{{- define "operator.clusterRules" -}}
- apiGroups: [integrations.netbird.io]
  resources: [clusternetbirdconnections]
  verbs: [get, list, watch, patch]
- apiGroups: [integrations.netbird.io]
  resources: [clusternetbirdconnections/status]
  verbs: [patch]
{{- end -}}
