"""Computing the status of instances and templates, and the Events about them."""
