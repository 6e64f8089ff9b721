{{/* A container of a backup. Takes `root`, `name`, `image`, `script`, `env`. */}}
{{- define "codex.backupContainer" -}}
- name: {{ .name }}
  image: {{ .image }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  command: [sh, /scripts/{{ .script }}]
  env:
    {{- toYaml .env | nindent 4 }}
  resources:
    {{- toYaml .root.Values.backup.resources | nindent 4 }}
  securityContext:
    {{- include "codex.containerSecurity" .root | nindent 4 }}
  volumeMounts:
    - {name: scripts, mountPath: /scripts, readOnly: true}
    - {name: tmp, mountPath: /tmp}
    {{- toYaml .mounts | nindent 4 }}
{{- end -}}

{{/* A CronJob. Takes `root`, `component`, `schedule`, `pod` (containers and volumes). */}}
{{- define "codex.backupJob" -}}
apiVersion: batch/v1
kind: CronJob
metadata:
  {{- include "codex.metadata" . | nindent 2 }}
spec:
  schedule: {{ .schedule | quote }}
  timeZone: Etc/UTC
  concurrencyPolicy: Forbid
  # One that was missed is made up for within six hours.
  startingDeadlineSeconds: 21600
  successfulJobsHistoryLimit: 3
  failedJobsHistoryLimit: 5
  jobTemplate:
    metadata:
      labels:
        {{- include "codex.labels" . | nindent 8 }}
    spec:
      backoffLimit: 2
      activeDeadlineSeconds: 43200
      template:
        metadata:
          labels:
            {{- include "codex.labels" . | nindent 12 }}
        spec:
          restartPolicy: Never
          automountServiceAccountToken: false
          enableServiceLinks: false
          {{- include "codex.pullSecrets" .root | nindent 10 }}
          securityContext:
            {{- include "codex.podSecurity" .root | nindent 12 }}
          {{- .pod | nindent 10 }}
{{- end -}}

{{- define "codex.backupVolumes" -}}
- name: scripts
  configMap:
    name: {{ include "codex.fullname" . }}-backup
    defaultMode: 0555
- name: tmp
  emptyDir: {sizeLimit: 1Gi}
- name: rclone
  secret:
    secretName: {{ .Values.backup.rclone.name }}
    defaultMode: 0440
    items:
      - {key: {{ .Values.backup.rclone.key }}, path: rclone.conf}
{{- end -}}

{{/* Egress of a backup: its source, and where it copies to. */}}
{{- define "codex.backupPolicy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "codex.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "codex.selectorLabels" . | nindent 6 }}
  policyTypes: [Egress]
  egress:
    {{- include "codex.egressDns" .root | nindent 4 }}
    {{- include .source .root | nindent 4 }}
    {{- include "codex.egressTo" (dict "to" .root.Values.backup.networkTo "ports" .root.Values.backup.networkPorts) | nindent 4 }}
{{- end -}}

{{/* The containers and volumes of the backup of the database. */}}
{{- define "codex.backupDatabasePod" -}}
initContainers:
  {{- include "codex.backupContainer" .dump | nindent 2 }}
containers:
  {{- include "codex.backupContainer" .upload | nindent 2 }}
volumes:
  {{- include "codex.backupVolumes" .root | nindent 2 }}
  {{- include "codex.secretsVolume" (dict "root" .root "secrets" (list "databaseUrl")) | nindent 2 }}
  - name: scratch
    emptyDir: {sizeLimit: {{ .root.Values.backup.database.scratchSize }}}
{{- end -}}

{{/* The containers and volumes of the backup of the archive. */}}
{{- define "codex.backupArchivePod" -}}
containers:
  {{- include "codex.backupContainer" .copy | nindent 2 }}
volumes:
  {{- include "codex.backupVolumes" .root | nindent 2 }}
{{- end -}}
