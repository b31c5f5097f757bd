"""Clips as frames: what a video file says of itself, and upright RGB frames at chosen times.

The file is read by a child process that can be stopped. The only part of unmask that loads PyAV (extra ``video``) is
that child. May import ``unmask.imaging`` and the ground floor.
"""
