"""Why the verdict on a clip is what it is: frames with their evidence, a timeline, and what the file says of itself.

The rules of :mod:`unmask.explain.words` hold here, too: no sentence states what was not measured. Nothing here changes
a score. Clips are read by :mod:`unmask.video`, which needs the extra ``video``.
"""
