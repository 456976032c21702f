"""Compile a template: references, images, the layers of its pod, strategy and contracts."""
