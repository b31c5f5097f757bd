"""Dividing a manifest into train, validation and test, with groups kept whole."""
