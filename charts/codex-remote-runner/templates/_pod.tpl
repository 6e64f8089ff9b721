{{/* What every Pod of the chart holds to: the level `restricted`, and more. The images run as 65532. */}}
{{- define "codex.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "codex.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "codex.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Labels and annotations of a component's Pods. Takes `root`, `component` and `values`. */}}
{{- define "codex.podMetadata" -}}
labels:
  {{- include "codex.labels" . | nindent 2 }}
  {{- with .values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) .values.podAnnotations .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Where a component's Pods run. Takes `root`, `component` and `values`. */}}
{{- define "codex.scheduling" -}}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- if .values.affinity }}
affinity:
  {{- toYaml .values.affinity | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  {{- if .values.topologySpreadConstraints }}
  {{- toYaml .values.topologySpreadConstraints | nindent 2 }}
  {{- else }}
  {{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "codex.selectorLabels" $ | nindent 8 }}
  {{- end }}
  {{- end }}
{{- end -}}

{{/* Probes on a port. Nothing is killed because a store is away: only /healthz decides about that. */}}
{{- define "codex.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: {{ . }}}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: {{ . }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: {{ . }}}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end -}}

{{/* A PodDisruptionBudget. Takes `root`, `component` and `values`. */}}
{{- define "codex.podDisruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "codex.metadata" . | nindent 2 }}
spec:
  maxUnavailable: {{ .values.podDisruptionBudget.maxUnavailable }}
  # A Pod that is not ready serves nobody, so it may go.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "codex.selectorLabels" . | nindent 6 }}
{{- end -}}

{{/* Variables of the archive. */}}
{{- define "codex.archiveEnv" -}}
- name: CODEX_ARCHIVE
  value: {{ include "codex.archive" . | quote }}
{{- if include "codex.archiveCredentials" . }}
- name: AWS_SHARED_CREDENTIALS_FILE
  value: {{ include "codex.secretPath" "archiveCredentials" }}
{{- end }}
{{- end -}}

{{/* Variables of the live log. */}}
{{- define "codex.liveEnv" -}}
- name: CODEX_LIVE_STORE
  value: {{ include "codex.liveStore" . | quote }}
{{- if include "codex.redisPassword" . }}
- name: CODEX_REDIS_PASSWORD_FILE
  value: {{ include "codex.secretPath" "redisPassword" }}
{{- end }}
{{- if .Values.redis.customCa }}
- name: CODEX_REDIS_CA_FILE
  value: {{ include "codex.secretPath" "redisCa" }}
{{- end }}
{{- end -}}
