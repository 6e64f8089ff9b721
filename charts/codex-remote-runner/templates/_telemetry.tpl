{{/* Variables of traces; the same for all programs, so that they are parts of one. Nothing, when they go nowhere. */}}
{{- define "codex.telemetryEnv" -}}
{{- with .Values.telemetry -}}
{{- if .endpoint -}}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .endpoint | quote }}
- name: OTEL_TRACES_SAMPLER
  value: {{ .sampler }}
{{- with .samplerArgument }}
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ . | quote }}
{{- end }}
{{- if .headers }}
- name: OTEL_EXPORTER_OTLP_HEADERS_FILE
  value: {{ include "codex.secretPath" "otlpHeaders" }}
{{- end }}
{{- with .resourceAttributes }}
{{- $attributes := list }}
{{- range $key, $value := . }}{{ $attributes = append $attributes (printf "%s=%s" $key $value) }}{{ end }}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: {{ join "," $attributes | quote }}
{{- end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Whether programs get headers for the collector from the Secret. */}}
{{- define "codex.telemetryHeaders" -}}
{{- if and .Values.telemetry.endpoint .Values.telemetry.headers -}}true{{- end -}}
{{- end -}}
