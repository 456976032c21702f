"""JSON values: types, limits, quantities, violations and merge patches. Independent of Kubernetes objects."""
