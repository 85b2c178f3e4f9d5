"""KHO states built by hand, the oracle of the tests.

Written from the ABI description with ``struct`` and nothing of ``kho_tui``, so that a mistake shared by
writer and reader cannot look like success.
"""
