"""The platform's REST API: requests of people and programs, made to the API server with their own tokens."""
