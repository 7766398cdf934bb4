{{- define "operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | toString | trunc 63 | trimAll "-." -}}
{{- end -}}

{{- define "operator.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | toString | trunc 52 | trimAll "-." -}}
{{- else if contains (include "operator.name" .) .Release.Name -}}
{{- .Release.Name | trunc 52 | trimAll "-." -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "operator.name" .) | trunc 52 | trimAll "-." -}}
{{- end -}}
{{- end -}}

{{- /* For cluster-scoped objects and objects in foreign namespaces: releases of several namespaces must not collide there. */ -}}
{{- define "operator.globalName" -}}
{{- printf "%s-%s" .Release.Namespace (include "operator.fullname" .) -}}
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
app.kubernetes.io/name: {{ include "operator.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "operator.ownLabels" -}}
{{ include "operator.selectorLabels" . }}
app.kubernetes.io/version: {{ include "operator.labelValue" .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ include "operator.labelValue" (printf "%s-%s" .Chart.Name .Chart.Version) | quote }}
{{- end -}}

{{- /* A version as the value of a label, which has at most 63 characters and no `+`. */ -}}
{{- define "operator.labelValue" -}}
{{- . | replace "+" "_" | trunc 63 | trimAll "-_." -}}
{{- end -}}

{{- /* The chart's own labels and the user's common ones; the chart's take precedence. */ -}}
{{- define "operator.labels" -}}
{{- merge (include "operator.ownLabels" . | fromYaml) (default dict .Values.commonLabels) | toYaml -}}
{{- end -}}

{{- define "operator.image" -}}
{{- $global := .Values.global | default dict -}}
{{- $registry := default .Values.image.registry $global.imageRegistry -}}
{{- $repository := list $registry .Values.image.repository | compact | join "/" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- /* The Secrets of the registry: those of the chart, then those that a parent chart gives to all of its subcharts. */ -}}
{{- define "operator.pullSecrets" -}}
{{- $names := list -}}
{{- range concat (default list .Values.imagePullSecrets) (default list (default dict .Values.global).imagePullSecrets) -}}
{{- $names = append $names (kindIs "map" . | ternary . (dict "name" .)).name -}}
{{- end -}}
{{- range uniq $names }}
- name: {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "operator.subjects" -}}
subjects:
  - kind: ServiceAccount
    name: {{ include "operator.serviceAccount" . | quote }}
    namespace: {{ .Release.Namespace | quote }}
{{- end -}}

{{- /* Whether the chart makes a connection. What would make one that can't work is refused here. */ -}}
{{- define "operator.makesConnection" -}}
{{- with .Values.connection -}}
{{- if and .enabled .tokenSecret.name -}}
{{- if not $.Values.scope.clusterConnections -}}
{{- fail "connection.tokenSecret.name: makes a ClusterNetBirdConnection, which scope.clusterConnections=false does not serve; apply a NetBirdConnection instead" -}}
{{- end -}}
true
{{- else if and .enabled (or .access.namespaces .access.entries) -}}
{{- fail "connection.tokenSecret.name: name the Secret of the release's namespace that holds the NetBird token" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Whether Helm itself installs the connection before the API server knows its kind. Without a cluster, as for
       `helm template`, Argo CD and kustomize, `lookup` finds nothing: the connection is then an ordinary object. Argo CD
       would delete a hook before each sync, although resources use it. */ -}}
{{- define "operator.connectionIsHook" -}}
{{- if and .Values.crds.enabled (not (.Capabilities.APIVersions.Has "integrations.netbird.io/v1alpha1")) -}}
{{- if lookup "v1" "Namespace" "" "default" -}}
{{- /* Helm 3 takes a hook into the release without comparing it, so that no later change would reach it. */ -}}
{{- if not (semverCompare ">=4.0.0-0" .Capabilities.HelmVersion.Version) -}}
{{- fail "connection.tokenSecret.name: Helm 3 cannot manage a connection that it creates together with its definition. Run this command with --set connection.enabled=false first, then helm upgrade with the connection; or use Helm 4" -}}
{{- end -}}
true
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* The port of a URL. */ -}}
{{- define "operator.port" -}}
{{- $url := urlParse . -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- default (eq $url.scheme "http" | ternary "80" "443") $port -}}
{{- end -}}

{{- /* What is done with the kinds that have a namespace. */ -}}
{{- define "operator.kindRules" -}}
- apiGroups: [integrations.netbird.io]
  resources: [eventstreamingintegrations, netbirdconnections]
  verbs: [get, list, watch, patch]
- apiGroups: [integrations.netbird.io]
  resources: [eventstreamingintegrations/status, netbirdconnections/status]
  verbs: [patch]
# Its own Lease, and that of another installation that manages a connection.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "operator.lease" . | quote }}]
  verbs: [get]
{{- if .Values.scope.clusterConnections }}
# A namespace's labels, for a cluster connection's namespaceSelector.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
{{- end }}
{{- end -}}

{{- /* What is done with what they refer to, and with their Events. */ -}}
{{- define "operator.namespacedRules" -}}
{{ include "operator.configMapRules" . }}
{{ include "operator.eventRules" . }}
{{- end -}}

{{- /*
Whether a namespace can take a Role: (root, namespace), "true" or nothing. An upgrade must not fail because a namespace
of the scope was deleted. Nothing can be looked up in `helm template` and in a dry run.
*/ -}}
{{- define "operator.takesRole" -}}
{{- $root := index . 0 -}}
{{- if and $root.Release.IsUpgrade (lookup "v1" "Namespace" "" $root.Release.Namespace) -}}
{{- $found := lookup "v1" "Namespace" "" (index . 1) -}}
{{- if and $found (not $found.metadata.deletionTimestamp) -}}true{{- end -}}
{{- else -}}
true
{{- end -}}
{{- end -}}

{{- define "operator.eventRules" -}}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}

{{- define "operator.secretRules" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [get{{ if .Values.secretWatch }}, list, watch{{ end }}]
{{- end -}}

{{- define "operator.configMapRules" -}}
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

{{- /* A role with its binding to the ServiceAccount: (root, name, namespace or "" for the cluster, rules). */ -}}
{{- define "operator.grant" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $namespace := index . 2 -}}
{{- $kind := ternary "Role" "ClusterRole" (ne $namespace "") -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata:
  name: {{ $name | quote }}
  {{- with $namespace }}
  namespace: {{ . | quote }}
  {{- end }}
  labels:
    {{- include "operator.labels" $root | nindent 4 }}
rules:
  {{- index . 3 | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata:
  name: {{ $name | quote }}
  {{- with $namespace }}
  namespace: {{ . | quote }}
  {{- end }}
  labels:
    {{- include "operator.labels" $root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $kind }}
  name: {{ $name | quote }}
{{ include "operator.subjects" $root }}
{{ end -}}

{{- define "operator.caFolder" -}}/etc/netbird-streaming-operator/ca{{- end -}}

{{- define "operator.environment" -}}
{{- with .Values.proxy -}}
{{- with .http }}
- {name: HTTP_PROXY, value: {{ . | quote }}}
{{- end }}
{{- with .https }}
- {name: HTTPS_PROXY, value: {{ . | quote }}}
{{- end }}
{{- if or .http .https .noProxy }}
# Kubernetes sets the variable that this begins with: the API server's address.
- {name: NO_PROXY, value: {{ list "$(KUBERNETES_SERVICE_HOST)" .noProxy | compact | join "," | quote }}}
{{- end }}
{{- end }}
{{- if .Values.caBundle.configMap.name }}
- {name: SSL_CERT_FILE, value: {{ printf "%s/ca.crt" (include "operator.caFolder" .) | quote }}}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "operator.spread" -}}
{{- $default := dict "maxSkew" 1 "topologyKey" "kubernetes.io/hostname" "whenUnsatisfiable" "ScheduleAnyway" -}}
{{- $selector := dict "labelSelector" (dict "matchLabels" (include "operator.selectorLabels" . | fromYaml)) -}}
{{- range default (list $default) .Values.topologySpreadConstraints }}
- {{ merge (deepCopy .) $selector | toYaml | nindent 2 | trim }}
{{- end }}
{{- end -}}

{{- /* An alert with where its runbook is and what the values say of it: (root, alert). */ -}}
{{- define "operator.alert" -}}
{{- $settings := (index . 0).Values.metrics.prometheusRule -}}
{{- $alert := index . 1 -}}
{{- $own := get (default dict $settings.alerts) $alert.alert | default dict -}}
{{- with $own.for -}}{{- $_ := set $alert "for" . -}}{{- end -}}
{{- with $own.severity -}}{{- $_ := set $alert.labels "severity" . -}}{{- end -}}
{{- if contains "absent(" $alert.expr -}}
{{- /* An absent series has no labels, so that its alert would reach no receiver that is chosen by namespace. A monitor
       adds the namespace to each series: with it, another installation does not hide that this one is absent. */ -}}
{{- $release := index . 0 -}}
{{- $_ := set $alert.labels "namespace" $release.Release.Namespace -}}
{{- if or $release.Values.metrics.podMonitor.enabled $release.Values.metrics.serviceMonitor.enabled -}}
{{- $own := printf "absent(netbird_streaming_leader{namespace=%q})" $release.Release.Namespace -}}
{{- $_ := set $alert "expr" (replace "absent(netbird_streaming_leader)" $own $alert.expr) -}}
{{- end -}}
{{- end -}}
{{- with (index . 0).Values.docsURL -}}
{{- $_ := set $alert.annotations "runbook_url" (replace "{page}" (printf "runbooks/%s" $alert.alert) .) -}}
{{- else -}}
{{- $command := "kubectl get configmap %s-runbooks -n %s -o jsonpath='{.data.%s}'" -}}
{{- $root := index . 0 -}}
{{- $_ := set $alert.annotations "runbook" (printf $command (include "operator.fullname" $root) $root.Release.Namespace $alert.alert) -}}
{{- end -}}
{{- if ne (toString $own.enabled) "false" -}}
- {{ toYaml $alert | nindent 2 | trim }}
{{- end -}}
{{- end -}}

{{- /* A list of strings, each quoted: YAML would read some as numbers or booleans. */ -}}
{{- define "operator.strings" -}}
{{- range . }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{- /* A map without its null values, by which a user removes a default; Helm leaves some of them in subcharts. */ -}}
{{- define "operator.present" -}}
{{- $kept := dict -}}
{{- range $key, $value := . -}}
{{- if not (kindIs "invalid" $value) -}}{{- $_ := set $kept $key $value -}}{{- end -}}
{{- end -}}
{{- with $kept -}}{{- toYaml . -}}{{- end -}}
{{- end -}}
