"""What the gateway serves to browsers without credentials: static pages, their files, and documents."""
