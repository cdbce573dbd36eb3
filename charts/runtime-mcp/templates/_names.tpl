{{- define "runtime-mcp.labels" -}}
app.kubernetes.io/part-of: {{ .Chart.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{/* The labels that em-service selects its pods by. */}}
{{- define "runtime-mcp.pods" -}}
app.kubernetes.io/name: mcp
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "runtime-mcp.tag" -}}
{{- .Values.mcp.image.tag | toString -}}
{{- end -}}

{{/* The variables by any of the three layers, as a JSON list of names. */}}
{{- define "runtime-mcp.variables" -}}
{{- $names := keys .Values.mcp.env -}}
{{- range concat .Values.mcp.envVars .Values.mcp.extraEnvVars -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- toJson ($names | uniq) -}}
{{- end -}}

{{- define "runtime-mcp.replicas" -}}
{{- with .Values.mcp -}}
{{- if .autoscaling.enabled -}}{{- .autoscaling.maxReplicas -}}{{- else -}}{{- .replicaCount -}}{{- end -}}
{{- end -}}
{{- end -}}

{{/* Every variable of the tool gateway, with a space between; a test compares them with its settings. */}}
{{- define "runtime-mcp.known" -}}
{{- join " " (list
  "ALLOWLIST_FILE" "UPSTREAMS_FILE"
  "AUTH_MODE" "KEYCLOAK_ISSUER_URL" "KEYCLOAK_AUDIENCE" "KEYCLOAK_JWKS_URL" "AGENT_KEYS_FILE" "LOCAL_AGENT"
  "DATABASE_URL" "AUDIT_CAPTURE_CONTENT" "AUDIT_RETENTION_DAYS" "AUDIT_CHAIN_KEY"
  "LLM_SERVICE_URL" "TOOL_TIMEOUT_SECONDS" "MAX_BODY_BYTES"
  "OTEL_ENABLED" "OTEL_TRACES_ENABLED" "OTEL_SERVICE_NAME" "OTEL_TRACE_SAMPLE_RATE"
  "OTEL_EXPORTER_OTLP_ENDPOINT" "OTEL_EXPORTER_OTLP_PROTOCOL" "OTEL_EXPORTER_OTLP_HEADERS"
  "LOG_LEVEL" "HOST" "PORT"
) -}}
{{- end -}}
