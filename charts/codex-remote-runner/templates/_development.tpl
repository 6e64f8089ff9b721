{{/* A store for development: one Pod with one volume and one port. Takes `root`, `component`, `image`, `port`, `script`, `keys` (keys of the Secret), `size` (empty
for memory alone), `user`, `run` (another folder that it writes to), and `from`, the components that may reach it. */}}
{{- define "codex.development" -}}
{{- $ := .root -}}
{{- $context := . -}}
# FOR DEVELOPMENT ONLY: no replication, no TLS, no backup, no upgrades.
apiVersion: v1
kind: Service
metadata:
  {{- include "codex.metadata" . | nindent 2 }}
spec:
  selector:
    {{- include "codex.selectorLabels" . | nindent 4 }}
  ports:
    - {name: {{ .component }}, port: {{ .port }}, targetPort: {{ .component }}, protocol: TCP}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  {{- include "codex.metadata" . | nindent 2 }}
spec:
  replicas: 1
  serviceName: {{ include "codex.name" . }}
  selector:
    matchLabels:
      {{- include "codex.selectorLabels" . | nindent 6 }}
  {{- if .size }}
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete, whenScaled: Retain}
  volumeClaimTemplates:
    - metadata:
        name: data
      spec:
        accessModes: [ReadWriteOnce]
        resources:
          requests: {storage: {{ .size }}}
  {{- end }}
  template:
    metadata:
      {{- include "codex.podMetadata" (merge (dict "values" (dict "podLabels" dict "podAnnotations" dict)) .) | nindent 6 }}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      {{- include "codex.pullSecrets" $ | nindent 6 }}
      securityContext:
        runAsNonRoot: true
        runAsUser: {{ .user }}
        runAsGroup: {{ .user }}
        fsGroup: {{ .user }}
        seccompProfile:
          type: RuntimeDefault
      containers:
        - name: {{ .component }}
          image: {{ .image }}
          imagePullPolicy: {{ $.Values.image.pullPolicy }}
          command: [sh, -c]
          args:
            - |
              {{- .script | nindent 14 }}
          {{- with .env }}
          env:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          ports:
            - {name: {{ .component }}, containerPort: {{ .port }}, protocol: TCP}
          startupProbe:
            tcpSocket: {port: {{ .component }}}
            periodSeconds: 2
            failureThreshold: 60
          readinessProbe:
            tcpSocket: {port: {{ .component }}}
          livenessProbe:
            tcpSocket: {port: {{ .component }}}
            failureThreshold: 6
          resources:
            {{- toYaml $.Values.development.resources | nindent 12 }}
          securityContext:
            {{- include "codex.containerSecurity" $ | nindent 12 }}
          volumeMounts:
            - {name: data, mountPath: /data}
            - {name: tmp, mountPath: /tmp}
            {{- with .run }}
            - {name: run, mountPath: {{ . }}}
            {{- end }}
            {{- include "codex.secretsMount" $ | nindent 12 }}
      volumes:
        - name: tmp
          emptyDir: {sizeLimit: 256Mi}
        {{- if .run }}
        - name: run
          emptyDir: {sizeLimit: 16Mi}
        {{- end }}
        {{- if not .size }}
        - name: data
          emptyDir: {sizeLimit: 1Gi}
        {{- end }}
        - name: secrets
          secret:
            secretName: {{ $.Values.secrets.name }}
            defaultMode: 0440
            items:
              {{- range .keys }}
              - {key: {{ . }}, path: {{ . }}}
              {{- end }}
{{- if $.Values.networkPolicy.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "codex.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "codex.selectorLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - from:
        {{- range .from }}
        - podSelector:
            matchLabels:
              {{- include "codex.selectorLabels" (dict "root" $ "component" .) | nindent 14 }}
        {{- end }}
      ports:
        - {port: {{ .port }}, protocol: TCP}
{{- end }}
{{- end -}}
