"""From what a user sees (an errno, words, a text of the kernel's log) to its causes, each with what supports or refutes it.

All symptoms stand in one table and none in the folder of a subsystem: one errno comes from KHO's core, from LUO and from a file handler
alike, and its causes are ranked against each other. Texts of the log are matched by the kind that the ``Naming`` of a subsystem gives
them, so that a subsystem that is declared later needs no edit here where it uses a known kind.
"""
