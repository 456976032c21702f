{{- /* Values that exclude each other. */ -}}
{{- define "model-operator.checks" -}}
{{- if and .Values.namespaces .Values.webhook.enabled }}
{{- fail "namespaces: expected webhook.enabled=false with it, as webhooks belong to the whole cluster; set --set webhook.enabled=false" }}
{{- end }}
{{- if and .Values.certManager.enabled (not .Values.webhook.enabled) }}
{{- fail "certManager.enabled: expected webhook.enabled=true with it, as only the webhooks have a certificate" }}
{{- end }}
{{- end }}
