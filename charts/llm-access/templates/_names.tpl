{{- define "solution.labels" -}}
app.kubernetes.io/part-of: {{ .Chart.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{/* The labels that em-service selects its pods by. */}}
{{- define "solution.pods" -}}
app.kubernetes.io/name: api
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* The gateway's container as JSON, wherever it stands in the pod; nothing where the gateway is shared. */}}
{{- define "solution.sidecar" -}}
{{- range concat .Values.api.initContainers .Values.api.extraContainers -}}
{{- if eq .name "litellm" -}}
{{- toJson . -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "solution.tag" -}}
{{- .Values.api.image.tag | toString -}}
{{- end -}}

{{/* The variables of the service by any of the three layers, as a JSON list of names. */}}
{{- define "solution.variables" -}}
{{- $names := keys .Values.api.env -}}
{{- range concat .Values.api.envVars .Values.api.extraEnvVars -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- toJson ($names | uniq) -}}
{{- end -}}

{{/*
The files of the gateway's folder as a JSON list of `key` and `path`. A ConfigMap has no folders: each file
is a key of it, and the volume's `items` say where it is mounted. tools/chart_values.py writes the same.
*/}}
{{- define "solution.gateway" -}}
{{- $items := list -}}
{{- range $file, $_ := .Files.Glob "gateway/**" -}}
{{- $path := trimPrefix "gateway/" $file -}}
{{- $items = append $items (dict "key" (replace "/" "." $path) "path" $path) -}}
{{- end -}}
{{- toJson $items -}}
{{- end -}}

{{/* Of each file of the gateway's folder, path and content: tools/chart_values.py works it out the same way. */}}
{{- define "solution.checksum" -}}
{{- $lines := list -}}
{{- range include "solution.gateway" . | fromJsonArray -}}
{{- $lines = append $lines (printf "%s %s" .path ($.Files.Get (printf "gateway/%s" .path) | sha256sum)) -}}
{{- end -}}
{{- join "\n" $lines | sha256sum -}}
{{- end -}}

{{- define "solution.replicas" -}}
{{- with .Values.api -}}
{{- if .autoscaling.enabled -}}{{- .autoscaling.maxReplicas -}}{{- else -}}{{- .replicaCount -}}{{- end -}}
{{- end -}}
{{- end -}}
