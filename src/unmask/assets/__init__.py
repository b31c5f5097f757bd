"""What ships in the package as data: the face finder and the default bundle. Imports nothing."""
