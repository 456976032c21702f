"""Views of live instances and templates for people: trees, tables, explanations."""
