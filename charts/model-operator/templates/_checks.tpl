{{- /* Values that exclude each other. */ -}}
{{- define "model-operator.checks" -}}
{{- if and .Values.namespaces .Values.webhook.enabled }}
{{- fail "namespaces: expected webhook.enabled=false with it, since webhooks are cluster-scoped; set --set webhook.enabled=false" }}
{{- end }}
{{- if and .Values.namespaces .Values.gateway.enabled }}
{{- fail "gateway.enabled: expected no namespaces with it, since it asks for the rights of callers in all of them; install it in a release of its own without namespaces" }}
{{- end }}
{{- if and .Values.certManager.enabled (not .Values.webhook.enabled) }}
{{- fail "certManager.enabled: expected webhook.enabled=true with it, since only the webhooks have a certificate" }}
{{- end }}
{{- end }}
