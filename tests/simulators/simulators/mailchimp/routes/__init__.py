"""The Marketing API's paths, one module per resource."""
