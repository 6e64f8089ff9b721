{{/*
Secrets are files under /run/secrets/codex; a program gets those of its own list and no others. Their names are the keys of `secrets` in values.yaml.
The mode lets the group read, which is the Pod's fsGroup.
*/}}

{{/* The Secret that holds a key. Takes `root` and `of`, the name in `secrets`. */}}
{{- define "codex.secretName" -}}
{{ (index .root.Values.secrets .of).name | default .root.Values.secrets.name }}
{{- end -}}

{{/* The Secret with the signing keys. */}}
{{- define "codex.signingKeys" -}}
{{ .Values.secrets.signingKeys.name | default (printf "%s-signing-keys" .Values.secrets.name) }}
{{- end -}}

{{/* The volume. Takes `root` and `secrets`, a list of names in `secrets`. */}}
{{- define "codex.secretsVolume" -}}
{{- $root := .root -}}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- range .secrets }}
      - secret:
          name: {{ include "codex.secretName" (dict "root" $root "of" .) }}
          items:
            - key: {{ (index $root.Values.secrets .).key }}
              path: {{ include "codex.secretFile" . }}
      {{- end }}
{{- end -}}

{{/* The file name of a secret: the name in `secrets`, in lower case with hyphens. */}}
{{- define "codex.secretFile" -}}
{{ kebabcase . }}
{{- end -}}

{{/* The path of a secret. */}}
{{- define "codex.secretPath" -}}
/run/secrets/codex/{{ include "codex.secretFile" . }}
{{- end -}}

{{- define "codex.secretsMount" -}}
- name: secrets
  mountPath: /run/secrets/codex
  readOnly: true
{{- end -}}
