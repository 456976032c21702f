"""JSON values: types, limits, quantities, violations and merge patches; nothing of Kubernetes."""
