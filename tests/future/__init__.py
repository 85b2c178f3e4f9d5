"""A release of the future, declared as a newcomer would: one module for each thing of the kernel, and nothing edited elsewhere.

``ledger`` is a subtree with a preserved vmalloc area, ``trio`` a file handler with memory of its own, ``quota`` file-lifecycle-bound data
with a struct, ``release`` puts them into 9.9 with a root and an LUO that have more fields than those of today.
"""
