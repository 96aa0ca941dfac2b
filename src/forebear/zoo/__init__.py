"""Families of tiny models with a known history, and the recipe that trains them.

``surgery`` and ``folder`` need numpy alone; ``build``, ``training``, ``text`` and the architectures need the extra
``zoo`` (torch, tokenizers).
"""
