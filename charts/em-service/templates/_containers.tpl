{{- define "em-service.main" -}}
name: {{ .Chart.Name }}
image: {{ include "em-service.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.command }}
command: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.args }}
args: {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  - name: http
    containerPort: {{ .Values.service.targetPort }}
    protocol: TCP
{{- with include "em-service.environment" . }}
env: {{- . | nindent 2 }}
{{- end }}
{{- if .Values.envFromSecret.enabled }}
envFrom:
  - secretRef:
      name: {{ .Values.envFromSecret.name | default (printf "%s-secrets" (include "em-service.name" .)) }}
{{- end }}
{{- range $key := list "startupProbe" "livenessProbe" "readinessProbe" "lifecycle" "resources" "securityContext" "volumeMounts" }}
{{- with index $.Values $key }}
{{ $key }}: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Before the main container: what ends first, then the sidecars that are to stay. */}}
{{- define "em-service.init" -}}
{{- $init := .Values.initContainers -}}
{{- if .Values.nativeSidecars -}}
{{- range .Values.extraContainers -}}
{{- $init = append $init (merge (dict "restartPolicy" "Always") .) -}}
{{- end -}}
{{- end -}}
{{- if $init -}}
{{- toYaml $init -}}
{{- end -}}
{{- end -}}
