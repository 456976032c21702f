"""Deciding what to apply: plan, pinned pod templates, pruning, replicas, dry-run."""
