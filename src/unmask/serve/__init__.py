"""The HTTP service: the detector with a queue, a history and a web page.

Needs the extra ``serve``. May import anything except ``unmask.cli``; only ``unmask.cli.serve`` and
``unmask.cli.page`` import it, and the latter needs no extra.
"""
