"""The admission webhooks: reading reviews, looking up what a decision needs, serving over HTTPS."""
