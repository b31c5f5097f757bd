"""Millions of images: deterministic shards, judged by worker processes, written as Parquet, resumed after a kill.

Needs the extra ``scale``. Nothing here is imported by the commands for a few images.
"""
