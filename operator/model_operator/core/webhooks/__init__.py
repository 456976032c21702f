"""Serving of the webhooks: certificate, tokens and callers. Decisions on reviews are in core/admission."""
