{{/*
The three layers as one list of variables, each name once: `env`, then `envVars`, then `extraEnvVars`.
A name in `env` suppresses the entries of that name; of two entries the later one counts, in its place.
*/}}
{{- define "em-service.environment" -}}
{{- $plain := .Values.env -}}
{{- $entries := concat .Values.envVars .Values.extraEnvVars -}}
{{- $last := dict -}}
{{- range $place, $entry := $entries -}}
{{- $_ := set $last $entry.name $place -}}
{{- end -}}
{{- $variables := list -}}
{{- range $name, $value := $plain -}}
{{- $variables = append $variables (dict "name" $name "value" (toString $value)) -}}
{{- end -}}
{{- range $place, $entry := $entries -}}
{{- if and (not (hasKey $plain $entry.name)) (eq (get $last $entry.name) $place) -}}
{{- $variables = append $variables $entry -}}
{{- end -}}
{{- end -}}
{{- if $variables -}}
{{- toYaml $variables -}}
{{- end -}}
{{- end -}}
