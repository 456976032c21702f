"""What the gateway serves to browsers: the page of models, and pages without credentials with their files."""
