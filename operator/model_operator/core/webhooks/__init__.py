"""How webhooks are served: the certificate, without any decision on what they review."""
