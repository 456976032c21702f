"""The reasons of conditions and Events, and which of them a refusal of the API server is."""
