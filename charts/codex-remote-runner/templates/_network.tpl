{{/* A rule of egress to one of the places in `networkPolicy`. */}}
{{- define "codex.egressTo" -}}
- to:
    {{- toYaml .to | nindent 4 }}
  ports:
    {{- range .ports }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
{{- end -}}

{{/* Questions to the cluster's DNS. */}}
{{- define "codex.egressDns" -}}
- to:
    {{- toYaml .Values.networkPolicy.dnsTo | nindent 4 }}
  ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end -}}

{{/* Egress to a component of this release. Takes `root`, `component` and `port`. */}}
{{- define "codex.egressComponent" -}}
- to:
    - podSelector:
        matchLabels:
          {{- include "codex.selectorLabels" . | nindent 10 }}
  ports:
    - {port: {{ .port }}, protocol: TCP}
{{- end -}}

{{- define "codex.egressDatabase" -}}
{{- if .Values.development.postgresql.enabled -}}
{{ include "codex.egressComponent" (dict "root" . "component" "postgresql" "port" 5432) }}
{{- else -}}
{{ include "codex.egressTo" .Values.networkPolicy.database }}
{{- end -}}
{{- end -}}

{{- define "codex.egressRedis" -}}
{{- if .Values.development.redis.enabled -}}
{{ include "codex.egressComponent" (dict "root" . "component" "redis" "port" 6379) }}
{{- else -}}
{{ include "codex.egressTo" .Values.networkPolicy.redis }}
{{- end -}}
{{- end -}}

{{- define "codex.egressArchive" -}}
{{- if .Values.development.s3.enabled -}}
{{ include "codex.egressComponent" (dict "root" . "component" "s3" "port" 7070) }}
{{- else -}}
{{ include "codex.egressTo" .Values.networkPolicy.archive }}
{{- end -}}
{{- end -}}
