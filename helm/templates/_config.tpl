{{/* The gateway's configuration, and what follows from it. Nothing that can be derived is a value of its own. */}}

{{/* The file: `config`, the demo servers when there are no others, and where the sealing keys are. */}}
{{- define "myelin.config" -}}
{{- $config := deepCopy .Values.config }}
{{- if not (or $config.mcpServers $config.discovery) }}
{{- $servers := dict }}
{{- range list "search" "vectors" "documents" }}
{{- $_ := set $servers . (dict "command" "/usr/local/bin/myelin" "args" (list "demo" .)) }}
{{- end }}
{{- $_ := set $config "mcpServers" $servers }}
{{- end }}
{{- if include "myelin.sealingSecret" . }}
{{- $keys := list }}
{{- range include "myelin.sealingKeys" . | fromJsonArray }}
{{- $keys = append $keys (printf "${file:/run/sealing/%s}" .) }}
{{- end }}
{{- $_ := set $config "sealing" (dict "keys" $keys) }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{/* Whether the chart makes the sealing key. */}}
{{- define "myelin.sealingGenerated" -}}
{{- if not (or .Values.sealing.existingSecret (.Values.config.sealing | default dict).keys) }}true{{ end }}
{{- end }}

{{/* The Secret with the sealing keys; empty when `config` has them itself. */}}
{{- define "myelin.sealingSecret" -}}
{{- if .Values.sealing.existingSecret }}
{{- if (.Values.config.sealing | default dict).keys }}
{{- fail "sealing.existingSecret and config.sealing.keys both say what the sealing keys are: leave one of them out" }}
{{- end }}
{{- .Values.sealing.existingSecret }}
{{- else if include "myelin.sealingGenerated" . }}
{{- printf "%s-sealing" (include "myelin.fullname" .) }}
{{- end }}
{{- end }}

{{- define "myelin.sealingKeys" -}}
{{- .Values.sealing.keys | toJson }}
{{- end }}

{{/* What only counts at the start, as docs/operations.md lists it: pods roll when it changes, and for nothing else in the file. */}}
{{- define "myelin.startSettings" -}}
{{- $config := include "myelin.config" . | fromYaml }}
{{- $settings := pick $config "listen" "tls" "admin" "http" "sessions" "questions" "sealing" "replicas" "redis" "log" "audit" "stateDir" "maxStarts" "threads" "drain" }}
{{- with ($config.lists | default dict).maxKept }}
{{- $_ := set $settings "lists.maxKept" . }}
{{- end }}
{{- $settings | toJson }}
{{- end }}

{{/* The port of an address that other pods reach. */}}
{{- define "myelin.port" -}}
{{- $listen := .listen | default "127.0.0.1" }}
{{- if not (regexMatch ":[1-9][0-9]*$" $listen) }}
{{- fail (printf "%s must be an address with a port, such as %s; it is %q" .key .example $listen) }}
{{- end }}
{{- if regexMatch "^(127\\.|\\[::1\\]|localhost)" $listen }}
{{- fail (printf "%s is %q, which no other pod and no probe reaches: use %s" .key $listen .example) }}
{{- end }}
{{- regexFind "[0-9]+$" $listen }}
{{- end }}

{{- define "myelin.clientPort" -}}
{{- include "myelin.port" (dict "key" "config.listen" "listen" .Values.config.listen "example" "0.0.0.0:8808") }}
{{- end }}

{{- define "myelin.adminPort" -}}
{{- if not (kindIs "map" .Values.config.admin) }}
{{- fail "config.admin must not be off: the probes ask there" }}
{{- end }}
{{- include "myelin.port" (dict "key" "config.admin.listen" "listen" .Values.config.admin.listen "example" "0.0.0.0:8809") }}
{{- end }}

{{/* Where pods pass requests on to each other; empty without config.replicas. */}}
{{- define "myelin.replicasPort" -}}
{{- with .Values.config.replicas }}
{{- include "myelin.port" (dict "key" "config.replicas.listen" "listen" .listen "example" "0.0.0.0:8810") }}
{{- end }}
{{- end }}

{{/* Whether the gateway asks the API server whose tokens are. */}}
{{- define "myelin.reviewsTokens" -}}
{{- with (.Values.config.auth | default dict).kubernetes }}
{{- if ne (.via | default "review") "keys" }}true{{ end }}
{{- end }}
{{- end }}

{{/* Whether the gateway follows the Services of the cluster. */}}
{{- define "myelin.findsServices" -}}
{{- if hasKey (.Values.config.discovery | default dict) "kubernetes" }}true{{ end }}
{{- end }}

{{/* The namespaces whose Services it follows; none for all of them. */}}
{{- define "myelin.foundIn" -}}
{{- ((.Values.config.discovery | default dict).kubernetes | default dict).namespaces | default list | toJson }}
{{- end }}

{{/* Whether the gateway speaks to the API server, for which it needs a token of its own. */}}
{{- define "myelin.ownToken" -}}
{{- $asks := or (.Values.config.auth | default dict).kubernetes (include "myelin.findsServices" .) }}
{{- if and $asks (not .Values.serviceAccount.automountToken) }}true{{ end }}
{{- end }}

{{- define "myelin.scheme" -}}
{{- ternary "https" "http" (not (empty .Values.config.tls)) }}
{{- end }}

{{/* The path of the first endpoint. */}}
{{- define "myelin.endpoint" -}}
{{- keys (.Values.config.endpoints | default dict) | sortAlpha | first | default "/mcp" }}
{{- end }}

{{/* Seconds of a duration such as 30s, 5m, 1h or 500ms, rounded up. */}}
{{- define "myelin.seconds" -}}
{{- $number := regexFind "^[0-9]+" . | int }}
{{- $unit := regexFind "[a-z]+$" . }}
{{- if eq $unit "ms" }}{{ div (add $number 999) 1000 }}
{{- else if eq $unit "m" }}{{ mul $number 60 }}
{{- else if eq $unit "h" }}{{ mul $number 3600 }}
{{- else }}{{ $number }}
{{- end }}
{{- end }}

{{/* The sleep before SIGTERM, the drain, and 10 s: children get 8 s to end, and the rest is for the machine. */}}
{{- define "myelin.grace" -}}
{{- $drain := .Values.config.drain | default "30s" }}
{{- if not (kindIs "invalid" .Values.terminationGracePeriodSeconds) }}
{{- int .Values.terminationGracePeriodSeconds }}
{{- else if not (regexMatch "^[0-9]+(ms|s|m|h)$" $drain) }}
{{- fail "config.drain is a reference, so terminationGracePeriodSeconds must be given: more than drain and preStopSeconds together, by 10 s" }}
{{- else }}
{{- add (int .Values.preStopSeconds) (include "myelin.seconds" $drain | int) 10 }}
{{- end }}
{{- end }}
