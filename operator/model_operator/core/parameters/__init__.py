"""The parameters of a template: their schema in both forms, validation of values, examples."""
