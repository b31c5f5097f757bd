"""Images made from those of a manifest: face crops, contact sheets, synthetic fakes."""
