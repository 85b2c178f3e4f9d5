"""The anomalies that decoding itself can meet, each with its code. KHO001..KHO050 and KHO131 on are rules (analysis.checks)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kho_tui.model.finding import Severity


@dataclass(frozen=True, slots=True)
class Code:
    """A kind of finding."""

    name: str
    severity: Severity
    meaning: str


FDT_DAMAGED = Code("KHO101", "error", "an FDT is damaged; what could be read was kept")
FDT_CUT = Code("KHO102", "warning", "an FDT file ends early; what could be read was kept")
POINTER_GAP = Code("KHO103", "warning", "a pointer leads to memory that the capture does not hold")
POINTER_BAD = Code("KHO104", "error", "a pointer leads to an address that cannot be right")
CHAIN_LOOP = Code("KHO105", "error", "a chain or tree comes back to a page it has been to")
COUNT_BAD = Code("KHO106", "error", "a count is beyond what its page or array can hold, or does not match")
VERSION_UNKNOWN = Code("KHO107", "warning", "a version that no release in the table writes")
NAME_UNKNOWN = Code("KHO108", "info", "a subtree or file handler that no release in the table has")
SOURCES_DIFFER = Code("KHO109", "info", "two sources give different bytes for one thing")
AMBIGUOUS = Code("KHO110", "warning", "the format leaves two readings open")
OTHER_READING = Code("KHO120", "info", "the format leaves two readings open; the release or chance settles it")
PROPERTY_BAD = Code("KHO111", "error", "a property is missing or of another length than its format says")
BUDGET = Code("KHO112", "error", "the state asks for more than the budget; the rest is left out")
KEY_BAD = Code("KHO113", "error", "a tracker entry that stands for no block")
PLATFORM = Code("KHO114", "warning", "byte order or page size is a guess, or sources disagree on it")
SOURCE_PROBLEM = Code("KHO115", "warning", "a file of the capture could not be read as what it is")
NOT_ONE_BOOT = Code("KHO122", "warning", "two sources are not of one boot, or not of one machine")
CONTRADICTED = Code("KHO126", "error", "memory and debugfs differ in what does not change within a boot, where all else agrees: damage")
SOURCE_NOTE = Code("KHO121", "info", "how the path was taken")
INFERRED = Code("KHO123", "info", "a release whose facts were inferred, not read from its sources")
NEWER = Code("KHO125", "info", "the running kernel is newer than the releases in the table: what it does is unknown")
CHANGED_WHILE_READ = Code("KHO124", "warning", "files of the state changed while they were being read: it may be of two moments")
OTHER_ROOTS = Code("KHO116", "info", "memory holds further root FDTs")
SEVERAL_ROOTS = Code("KHO127", "warning", "memory holds several root FDTs that their own trackers keep: which one counts is a choice")
LOG_EVIDENCE = Code("KHO117", "warning", "the kernel log speaks of a handover that failed")
FIELD_BAD = Code("KHO118", "error", "a field holds what its format forbids")
STALE_LOOKS_WHOLE = Code("KHO119", "info", "memory given back by the running kernel still decodes; it is not a fact")

TRACKER_DAMAGE = (POINTER_BAD, CHAIN_LOOP, COUNT_BAD, KEY_BAD)
"""What says that a tracker was read and is wrong, not that it could not be read."""

CODES: Mapping[str, Code] = {value.name: value for value in list(globals().values()) if isinstance(value, Code)}
"""Every code by its name."""
