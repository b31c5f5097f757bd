"""The service: the detector behind HTTP, with a queue, a history and a page.

Needs the extra ``serve``. May import everything but ``unmask.cli``; nothing imports it but ``unmask.cli.serve``.
"""
