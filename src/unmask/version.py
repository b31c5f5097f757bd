"""The version of unmask, read by the package, its results and the build. Imports nothing."""

__version__ = "0.1.0"
