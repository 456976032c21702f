"""The parameters of a template: their schema in either form, validation of values, examples."""
