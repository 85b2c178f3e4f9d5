"""What a stretch of physical memory can be, and whether it has to be preserved."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Duty(Enum):
    """Whether memory of a kind has to be in the tracker. The value is the word shown."""

    MUST = "must be preserved"
    MAY = "may be preserved"
    MUST_NOT = "must not be preserved"


class Lane(Enum):
    """Kinds that are drawn together. Within a lane kinds seldom overlap; across lanes they do as a rule."""

    MACHINE = "machine"
    SCRATCH = "scratch"
    PRESERVED = "preserved"
    TRACKER = "tracker"
    OWNER = "owner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of memory: its name as shown and typed, its lane, its duty, and what it is.

    ``contents``: kept for somebody else's sake; other owners only describe what is kept. ``letter``: by which an owner is drawn, a capital
    for contents.
    """

    name: str
    lane: Lane
    duty: Duty
    meaning: str
    contents: bool = False
    letter: str = ""

    @property
    def is_owner(self) -> bool:
        """Whether it says whose page it is."""
        return self.lane is Lane.OWNER


def owner(name: str, letter: str, meaning: str, *, contents: bool = False) -> Kind:
    """A kind that says whose page it is, and has to be preserved."""
    return Kind(name=name, lane=Lane.OWNER, duty=Duty.MUST, meaning=meaning, contents=contents, letter=letter)


# Sources of the duties: the rules KHO011, 012, 022, 023, 035, 037, 040, 041, 045.
KIND_RAM = Kind(name="ram", lane=Lane.MACHINE, duty=Duty.MAY, meaning="System RAM of /proc/iomem")
KIND_KERNEL = Kind(name="kernel", lane=Lane.MACHINE, duty=Duty.MAY, meaning="image of the running kernel")
KIND_NODE = Kind(name="node", lane=Lane.MACHINE, duty=Duty.MAY, meaning="memory of a NUMA node")
KIND_SCRATCH = Kind(name="scratch", lane=Lane.SCRATCH, duty=Duty.MUST_NOT, meaning="holds the next kernel while it boots")
KIND_SCRATCH_TABLE = Kind(name="scratch-table", lane=Lane.SCRATCH, duty=Duty.MUST_NOT, meaning="the table of scratch areas, inside scratch")
KIND_PRESERVED = Kind(name="preserved", lane=Lane.PRESERVED, duty=Duty.MAY, meaning="in the tracker: kept across the kexec")
KIND_TRACKER = Kind(
    name="tracker", lane=Lane.TRACKER, duty=Duty.MUST_NOT, meaning="pages of the tracker itself: read at boot, then given back"
)
KIND_ROOT = owner("root-fdt", "r", "the page of the root FDT")
KIND_BLOB = owner("subtree", "b", "a subsystem's state")
KIND_SESSIONS = owner("sessions", "s", "LUO's list of sessions")
KIND_FILES = owner("files", "f", "a session's list of files")
KIND_FLBS = owner("flbs", "x", "LUO's page of FLBs")
KIND_MEMFD = owner("memfd", "m", "struct of a preserved memfd")
KIND_VMALLOC = owner("vmalloc", "v", "page list of a vmalloc area")
KIND_ARRAY = owner("array", "a", "pages of a folio array")
KIND_FOLIO = owner("folio", "F", "contents of a preserved file", contents=True)
KIND_RESERVE_MEM = owner("reserve_mem", "R", "region of reserve_mem=", contents=True)
KIND_TEST_FOLIO = owner("test-folio", "T", "contents of the test module", contents=True)

KINDS = (
    *(KIND_RAM, KIND_KERNEL, KIND_NODE, KIND_SCRATCH, KIND_SCRATCH_TABLE, KIND_PRESERVED, KIND_TRACKER, KIND_ROOT, KIND_BLOB),
    *(KIND_SESSIONS, KIND_FILES, KIND_FLBS, KIND_MEMFD, KIND_VMALLOC, KIND_ARRAY, KIND_FOLIO, KIND_RESERVE_MEM, KIND_TEST_FOLIO),
)
"""All kinds, in the order in which they are listed."""
