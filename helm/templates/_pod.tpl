{{/* The parts of the pod that are put together from several values. */}}

{{- define "myelin.env" -}}
{{- if or .Values.secrets.env .Values.env .Values.config.replicas }}
env:
  {{- if .Values.config.replicas }}
  - name: POD_IP
    valueFrom:
      fieldRef:
        fieldPath: status.podIP
  {{- end }}
  {{- range $name, $from := .Values.secrets.env }}
  - name: {{ $name }}
    valueFrom:
      secretKeyRef:
        name: {{ $from.secret }}
        key: {{ $from.key }}
  {{- end }}
  {{- with .Values.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- with .Values.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Whole directories, never a subPath: only those change under a running pod. */}}
{{- define "myelin.mounts" -}}
- name: config
  mountPath: /etc/myelin
  readOnly: true
{{- if include "myelin.sealingSecret" . }}
- name: sealing
  mountPath: /run/sealing
  readOnly: true
{{- end }}
{{- range .Values.secrets.files }}
- name: secret-{{ . }}
  mountPath: /run/secrets/{{ . }}
  readOnly: true
{{- end }}
{{- if include "myelin.ownToken" . }}
- name: own-token
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end }}
{{- if .Values.home.enabled }}
- name: home
  mountPath: /home/myelin
- name: tmp
  mountPath: /tmp
{{- end }}
{{- with .Values.volumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "myelin.volumes" -}}
- name: config
  configMap:
    name: {{ include "myelin.fullname" . }}
{{- with include "myelin.sealingSecret" . }}
- name: sealing
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- range .Values.secrets.files }}
- name: secret-{{ . }}
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- if include "myelin.ownToken" . }}
# What automountServiceAccountToken would mount, and nothing besides.
- name: own-token
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3600
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
{{- end }}
{{- with .Values.home }}
{{- if .enabled }}
- name: home
  {{- if .existingClaim }}
  persistentVolumeClaim:
    claimName: {{ .existingClaim }}
  {{- else }}
  emptyDir:
    sizeLimit: {{ .sizeLimit }}
  {{- end }}
- name: tmp
  emptyDir:
    sizeLimit: {{ .sizeLimit }}
{{- end }}
{{- end }}
{{- with .Values.volumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "myelin.spread" -}}
{{- if .Values.topologySpreadConstraints }}
{{- toYaml .Values.topologySpreadConstraints }}
{{- else }}
{{- range $place, $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
{{- if $place }}{{ "\n" }}{{ end -}}
- topologyKey: {{ $key }}
  maxSkew: 1
  whenUnsatisfiable: ScheduleAnyway
  matchLabelKeys: [pod-template-hash]
  labelSelector:
    matchLabels:
      {{- include "myelin.selector" $ | nindent 6 }}
{{- end }}
{{- end }}
{{- end }}
