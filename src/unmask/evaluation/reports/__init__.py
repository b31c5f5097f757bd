"""Results as JSON, HTML and Markdown."""
