{{/*
The beginning of all names: at most 34 characters, so that the longest object's name (a CronJob, 52) fits. What is cut off counts by a hash, so that
two releases whose names begin alike do not meet. Services want a letter first.
*/}}
{{- define "codex.fullname" -}}
{{- $name := .Values.fullnameOverride -}}
{{- if not $name -}}
{{- $name = ternary .Release.Name (printf "%s-codex" .Release.Name) (contains "codex" .Release.Name) -}}
{{- end -}}
{{- $name = regexReplaceAll "[^a-z0-9-]" (lower $name) "-" -}}
{{- if not (regexMatch "^[a-z]" $name) -}}
{{- $name = printf "c%s" $name -}}
{{- end -}}
{{- if gt (len $name) 34 -}}
{{- $name = printf "%s-%s" ($name | trunc 27 | trimSuffix "-") ($name | sha256sum | trunc 6) -}}
{{- end -}}
{{- $name | trimSuffix "-" -}}
{{- end -}}

{{/* The name of a component's objects. Takes `root` and `component`. */}}
{{- define "codex.name" -}}
{{ include "codex.fullname" .root }}-{{ .component }}
{{- end -}}

{{/* What selects the Pods of a component; never changes between versions. Takes `root` and `component`. */}}
{{- define "codex.selectorLabels" -}}
app.kubernetes.io/name: codex-remote-runner
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* The labels of an object. Takes `root` and `component`. */}}
{{- define "codex.labels" -}}
{{- $own := dict
  "app.kubernetes.io/name" "codex-remote-runner"
  "app.kubernetes.io/instance" .root.Release.Name
  "app.kubernetes.io/component" .component
  "app.kubernetes.io/part-of" "codex-remote-runner"
  "app.kubernetes.io/managed-by" .root.Release.Service
  "app.kubernetes.io/version" (.root.Chart.AppVersion | replace "+" "_" | trunc 63)
  "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") -}}
{{- toYaml (mergeOverwrite (deepCopy .root.Values.commonLabels) $own) -}}
{{- end -}}

{{/* The metadata of an object. Takes `root`, `component`, and optionally `name`, `namespace` (`-` for none), `annotations`, `labels`. */}}
{{- define "codex.metadata" -}}
name: {{ .name | default (include "codex.name" .) }}
{{- $namespace := .namespace | default .root.Release.Namespace }}
{{- if ne $namespace "-" }}
namespace: {{ $namespace }}
{{- end }}
labels:
  {{- include "codex.labels" . | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The reference of an image of this project. Takes `root` and `image`. */}}
{{- define "codex.image" -}}
{{- $repository := printf "%s/%s" (trimSuffix "/" .root.Values.image.registry) .image.repository -}}
{{- if .image.digest -}}
{{ $repository }}@{{ .image.digest }}
{{- else -}}
{{ $repository }}:{{ .image.tag | default .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* Numbers as Helm has read them from YAML or from `--set`, without an exponent. */}}
{{- define "codex.number" -}}
{{ . | int64 | quote }}
{{- end -}}

{{/* Where the log of running tasks is. */}}
{{- define "codex.liveStore" -}}
{{- if .Values.development.redis.enabled -}}
redis://{{ include "codex.fullname" . }}-redis:6379/0
{{- else -}}
{{ required "redis.url is required: redis://host:6379/0, or development.redis.enabled=true on a cluster for trying things" .Values.redis.url }}
{{- end -}}
{{- end -}}

{{/* Where logs stay. */}}
{{- define "codex.archive" -}}
{{- if .Values.development.s3.enabled -}}
s3://codex?endpoint=http://{{ include "codex.fullname" . }}-s3:7070&region=us-east-1
{{- else -}}
{{ required "archive.location is required: s3://bucket/prefix, or development.s3.enabled=true on a cluster for trying things" .Values.archive.location }}
{{- end -}}
{{- end -}}

{{/* Whether programs get credentials for the archive from the Secret. */}}
{{- define "codex.archiveCredentials" -}}
{{- if or .Values.archive.credentials .Values.development.s3.enabled -}}true{{- end -}}
{{- end -}}

{{/* Whether Redis asks for a password. */}}
{{- define "codex.redisPassword" -}}
{{- if or .Values.redis.password .Values.development.redis.enabled -}}true{{- end -}}
{{- end -}}

{{/*
Whether the repositories have to wait for the next upgrade: Helm refuses objects of a kind that the cluster does not know before it has made the definition.
Without a cluster (`helm template`) nobody knows, and they are written down.
*/}}
{{- define "codex.repositoriesWait" -}}
{{- $isCluster := lookup "v1" "Namespace" "" .Release.Namespace -}}
{{- if and $isCluster .Values.crds.enabled (not (.Capabilities.APIVersions.Has "codexrunner.io/v1alpha1")) -}}true{{- end -}}
{{- end -}}
