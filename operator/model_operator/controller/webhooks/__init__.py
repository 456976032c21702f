"""The admission webhooks: parsing reviews, looking up what a decision needs, serving over HTTPS."""
