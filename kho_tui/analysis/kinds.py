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


@dataclass(frozen=True, slots=True)
class KindFacts:
    """A kind's name as shown and typed, its lane, its duty, and what it is."""

    name: str
    lane: Lane
    duty: Duty
    meaning: str


class Kind(Enum):
    """Kinds of memory. Sources of the duties: the rules KHO011, 012, 022, 023, 035, 037, 040, 041, 045."""

    RAM = KindFacts("ram", Lane.MACHINE, Duty.MAY, "System RAM of /proc/iomem")
    KERNEL = KindFacts("kernel", Lane.MACHINE, Duty.MAY, "image of the running kernel")
    NODE = KindFacts("node", Lane.MACHINE, Duty.MAY, "memory of a NUMA node")
    SCRATCH = KindFacts("scratch", Lane.SCRATCH, Duty.MUST_NOT, "holds the next kernel while it boots")
    SCRATCH_TABLE = KindFacts("scratch-table", Lane.SCRATCH, Duty.MUST_NOT, "the table of scratch areas, inside scratch")
    PRESERVED = KindFacts("preserved", Lane.PRESERVED, Duty.MAY, "in the tracker: kept across the kexec")
    TRACKER = KindFacts("tracker", Lane.TRACKER, Duty.MUST_NOT, "pages of the tracker itself: read at boot, then given back")
    ROOT = KindFacts("root-fdt", Lane.OWNER, Duty.MUST, "the page of the root FDT")
    BLOB = KindFacts("subtree", Lane.OWNER, Duty.MUST, "a subsystem's state")
    SESSIONS = KindFacts("sessions", Lane.OWNER, Duty.MUST, "LUO's list of sessions")
    FILES = KindFacts("files", Lane.OWNER, Duty.MUST, "a session's list of files")
    FLBS = KindFacts("flbs", Lane.OWNER, Duty.MUST, "LUO's page of FLBs")
    MEMFD = KindFacts("memfd", Lane.OWNER, Duty.MUST, "struct of a preserved memfd")
    VMALLOC = KindFacts("vmalloc", Lane.OWNER, Duty.MUST, "page list of a vmalloc area")
    ARRAY = KindFacts("array", Lane.OWNER, Duty.MUST, "pages of a folio array")
    FOLIO = KindFacts("folio", Lane.OWNER, Duty.MUST, "contents of a preserved file")
    RESERVE_MEM = KindFacts("reserve_mem", Lane.OWNER, Duty.MUST, "region of reserve_mem=")
    TEST_FOLIO = KindFacts("test-folio", Lane.OWNER, Duty.MUST, "contents of the test module")

    @property
    def label(self) -> str:
        """The name shown and typed."""
        return self.value.name

    @property
    def is_owner(self) -> bool:
        """Whether it says whose page it is."""
        return self.value.lane is Lane.OWNER


BY_NAME = {kind.label: kind for kind in Kind}
