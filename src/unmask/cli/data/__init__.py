"""``unmask data``: collect, check, split and create image data sets."""
