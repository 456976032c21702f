"""Reconciling instances and templates: workers, the two reconcilers and their steps."""
