"""Translation between the API that a client calls and the one that a model server has."""
