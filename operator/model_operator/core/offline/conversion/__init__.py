"""Conversion of a workload's manifests to a template."""
