{{- /*
The forms of the values that are strings. They are validated here and not by the schema, whose message would be a pattern
or a type, and would not name the fix. `[]` means each item of a list.
*/ -}}
{{- define "operator.forms" -}}
forms:
  text: {pattern: "", is: a string}
  name: {pattern: "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$", is: "a name in Kubernetes: lower-case letters, digits, '-' and '.'"}
  namespace: {pattern: "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", is: "a namespace: lower-case letters, digits and '-'"}
  key: {pattern: "^[-._a-zA-Z0-9]+$", is: "a key of a Secret or ConfigMap: letters, digits, '-', '_' and '.'"}
  url: {pattern: "^(https?://[^/@? ]+(/[^@? ]*)?)?$", is: "an https:// or http:// URL without user information and query, such as https://netbird.example.com"}
  proxy: {pattern: "^(https?://[^/@ ]+/?)?$", is: "an http:// or https:// URL of a proxy without user information, such as http://proxy.example.com:3128; for one with a password, use extraEnv and a Secret"}
  registry: {pattern: "^([^@ /:]+(:[0-9]+)?(/[^@ /:]+)*)?$", is: "the host of a registry without a scheme, such as registry.example.com"}
  repository: {pattern: "^[^@ /:]+(:[0-9]+/[^@ /:]+)?(/[^@ /:]+)*$", is: "the name of an image without a scheme, a tag and a digest, such as registry.example.com/netbird-streaming-operator; use image.tag or image.digest for these"}
  tag: {pattern: "^([A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?$", is: "the tag of an image: letters, digits, '_', '.' and '-'"}
  digest: {pattern: "^(sha256:[0-9a-f]{64})?$", is: "the digest of an image: sha256: and 64 hexadecimal digits"}
  duration: {pattern: "^([0-9]+(ms|s|m|h))*$", is: "a duration with its unit, such as 30s"}
  docs: {pattern: "^(https?://[^/{}\\s]+/[^{}\\s]*[{]page[}][^{}#\\s]*)?$", is: "the https:// or http:// URL of a page with {page} in the place of its name, such as https://docs.example.com/{page}/"}
  flag: {pattern: "^--[a-z]", is: "a flag of `netbird-streaming-operator run`, such as --workers=3"}
values:
  image.registry: registry
  image.repository: repository
  image.tag: tag
  image.digest: digest
  connection.name: name
  connection.url: url
  connection.tokenSecret.name: name
  connection.tokenSecret.key: key
  connection.access.namespaces[]: namespace
  connection.access.adoptionNamespaces[]: namespace
  scope.namespaces[]: namespace
  scope.allowedURLs[]: url
  secretNamespaces[]: namespace
  docsURL: docs
  extraArgs[]: flag
  metrics.service.annotations: text
  metrics.podMonitor.labels: text
  metrics.podMonitor.annotations: text
  metrics.podMonitor.interval: duration
  metrics.podMonitor.scrapeTimeout: duration
  metrics.serviceMonitor.labels: text
  metrics.serviceMonitor.annotations: text
  metrics.serviceMonitor.interval: duration
  metrics.serviceMonitor.scrapeTimeout: duration
  metrics.prometheusRule.labels: text
  metrics.prometheusRule.annotations: text
  metrics.dashboard.labels: text
  metrics.dashboard.annotations: text
  proxy.http: proxy
  proxy.https: proxy
  proxy.noProxy: text
  caBundle.configMap.name: name
  caBundle.configMap.key: key
  serviceAccount.name: name
  serviceAccount.annotations: text
  deploymentAnnotations: text
  podAnnotations: text
  podLabels: text
  commonLabels: text
  nodeSelector: text
  priorityClassName: name
  nameOverride: name
  fullnameOverride: name
# Values that can't be empty, and sections without one.
required: [
  caBundle.configMap.key, connection.access, connection.enabled, connection.managementPolicy, connection.name,
  connection.tokenSecret.key, connection.url, crds.enabled, crds.keep, image.pullPolicy, image.repository,
  leaderElection, livenessProbe.failureThreshold, livenessProbe.periodSeconds, livenessProbe.timeoutSeconds,
  log.format, log.level, metrics.dashboard.enabled, metrics.enabled, metrics.perConnection,
  metrics.podMonitor.enabled, metrics.podMonitor.honorLabels, metrics.prometheusRule.enabled,
  metrics.prometheusRule.scrapedElsewhere, metrics.service.enabled, metrics.serviceMonitor.enabled,
  metrics.serviceMonitor.honorLabels, networkPolicy.apiServer.ports, networkPolicy.dns.ports, networkPolicy.enabled,
  networkPolicy.health, networkPolicy.metrics, networkPolicy.netbird.ports, podDisruptionBudget.enabled, proxy,
  replicaCount, revisionHistoryLimit, scope.clusterConnections, scope.namespacedConnections, secretWatch,
  serviceAccount.create, terminationGracePeriodSeconds, userRoles.enabled
]
# Values of Kubernetes' own types, in which only some fields are free strings.
structures: [connection.access.entries, imagePullSecrets, global.imagePullSecrets, extraEnv, networkPolicy, tolerations, affinity, dnsConfig]
{{- end -}}

{{- /* Fail if a value is missing, where nothing would mean something else: for crds.keep, false. */ -}}
{{- define "operator.requirePresent" -}}
{{- range $path := (include "operator.forms" . | fromYaml).required -}}
{{- $node := $.Values -}}
{{- $reached := list -}}
{{- range splitList "." $path -}}
{{- $reached = append $reached . -}}
{{- if kindIs "invalid" (hasKey $node . | ternary (get $node .) nil) -}}
{{- fail (printf "%s: is missing; remove the null or empty entry from your values, or upgrade with --reset-then-reuse-values instead of --reuse-values" (join "." $reached)) -}}
{{- end -}}
{{- $node = get $node . -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "operator.requireStrings" -}}
{{- $known := include "operator.forms" . | fromYaml -}}
{{- range $path, $form := $known.values -}}
{{- $value := include "operator.at" (list $.Values (trimSuffix "[]" $path)) | fromJson -}}
{{- $form = get $known.forms $form -}}
{{- if not (hasSuffix "[]" $path) -}}
{{- include "operator.requireString" (list $path $value.found $form) -}}
{{- else if kindIs "slice" $value.found -}}
{{- range $index, $each := $value.found -}}{{- include "operator.requireString" (list (printf "%s[%d]" (trimSuffix "[]" $path) $index) $each $form) -}}{{- end -}}
{{- else if $value.found -}}
{{- fail (printf "%s: must be a list; with --set, write --set '%s={…}'" (trimSuffix "[]" $path) (trimSuffix "[]" $path)) -}}
{{- end -}}
{{- end -}}
{{- range $path := $known.structures -}}
{{- $value := include "operator.at" (list $.Values $path) | fromJson -}}
{{- include "operator.requireStringsBelow" (list $path $value.found $known.forms.text) -}}
{{- end -}}
{{- end -}}

{{- /* The value of a path, as `found` of a JSON object: (values, path). */ -}}
{{- define "operator.at" -}}
{{- $value := index . 0 -}}
{{- range splitList "." (index . 1) -}}{{- $value = get (default dict $value) . -}}{{- end -}}
{{- dict "found" $value | toJson -}}
{{- end -}}

{{- /* Fail if a free string of a structure is none: (path, structure, form). */ -}}
{{- define "operator.requireStringsBelow" -}}
{{- $path := index . 0 -}}
{{- $form := index . 2 -}}
{{- $node := index . 1 -}}
{{- if kindIs "map" $node -}}
{{- range $key, $each := $node -}}
{{- if has $key (list "name" "key" "value" "values" "matchLabels" "namespaces" "tenantID") -}}
{{- include "operator.requireString" (list (printf "%s.%s" $path $key) $each $form) -}}
{{- else -}}
{{- include "operator.requireStringsBelow" (list (printf "%s.%s" $path $key) $each $form) -}}
{{- end -}}
{{- end -}}
{{- else if kindIs "slice" $node -}}
{{- range $index, $each := $node -}}{{- include "operator.requireStringsBelow" (list (printf "%s[%d]" $path $index) $each $form) -}}{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Fail if a value, or one inside of it, is no string of that form: (path, value, form). No message repeats the value. */ -}}
{{- define "operator.requireString" -}}
{{- $path := index . 0 -}}
{{- $value := index . 1 -}}
{{- $form := index . 2 -}}
{{- if kindIs "map" $value -}}
{{- range $key, $each := $value -}}{{- include "operator.requireString" (list (printf "%s.%s" $path (replace "." "\\." $key)) $each $form) -}}{{- end -}}
{{- else if kindIs "slice" $value -}}
{{- range $index, $each := $value -}}{{- include "operator.requireString" (list (printf "%s[%d]" $path $index) $each $form) -}}{{- end -}}
{{- else if kindIs "string" $value -}}
{{- if not (regexMatch $form.pattern $value) -}}{{- fail (printf "%s: must be %s" $path $form.is) -}}{{- end -}}
{{- else if not (kindIs "invalid" $value) -}}
{{- fail (printf "%s: must be a string, but it is a %s without quotes; quote it in the values file, or use --set-string '%s=…'" $path (kindIs "bool" $value | ternary "boolean" "number") $path) -}}
{{- end -}}
{{- end -}}

{{- /* Fail if a flag is one that the chart sets by a value. */ -}}
{{- define "operator.requireOtherFlags" -}}
{{- $set := dict "namespace" "scope.namespaces" "cluster-connections" "scope.clusterConnections" "namespaced-connections" "scope.namespacedConnections" "allowed-urls" "scope.allowedURLs" "secret-watch" "secretWatch" "secret-namespaces" "secretNamespaces" "lease" "leaderElection" "metrics" "metrics.enabled" "metrics-per-connection" "metrics.perConnection" "log-format" "log.format" "log-level" "log.level" "docs-url" "docsURL" -}}
{{- $fixed := list "operator-namespace" "fingerprint-key-secret" "lease-name" "health-port" "metrics-port" -}}
{{- range $index, $each := .Values.extraArgs -}}
{{- $flag := regexFind "^--[^=]*" $each | trimPrefix "--" -}}
{{- with get $set $flag -}}{{- fail (printf "extraArgs[%d]: the chart sets --%s; use the value %s instead" $index $flag .) -}}{{- end -}}
{{- if has $flag $fixed -}}{{- fail (printf "extraArgs[%d]: the chart sets --%s, which no value changes; remove it" $index $flag) -}}{{- end -}}
{{- end -}}
{{- end -}}
