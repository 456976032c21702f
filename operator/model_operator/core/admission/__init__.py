"""Admission decisions on writes of templates and instances, shared by webhook and command line."""
