"""Downloading the images of a manifest by URL."""
