{{/* The alias under which a solution's chart depends on this one is the component's name. */}}
{{- define "em-service.name" -}}
{{- .Values.fullnameOverride | default (printf "%s-%s" .Release.Name .Chart.Name) | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "em-service.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "em-service.labels" -}}
{{ include "em-service.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | toString | trunc 63 | replace "@" "_" | replace ":" "_" | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: em-service-{{ .Chart.Version }}
{{- end -}}

{{- define "em-service.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "em-service.name" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "em-service.image" -}}
{{- $repository := required (printf "%s.image.repository is not set: name the image to run, without its tag" .Chart.Name) .Values.image.repository -}}
{{- $tag := required (printf "%s.image.tag is not set: name the version of the image, or its digest as sha256:…" .Chart.Name) .Values.image.tag | toString -}}
{{- if eq $tag "latest" -}}
{{- fail (printf "%s.image.tag is latest: name a version, for a pod that restarts has to be the same" .Chart.Name) -}}
{{- end -}}
{{- printf "%s%s%s" $repository (ternary "@" ":" (hasPrefix "sha256:" $tag)) $tag -}}
{{- end -}}
