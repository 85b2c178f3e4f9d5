"""What every decoder reads through: memory of one state, its platform, the budget, and the list of findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from kho_tui.capture.sources import NO_MEMORY
from kho_tui.context import Context
from kho_tui.decode.nodes import property_of
from kho_tui.errors import BudgetError, GapError, ReadError
from kho_tui.fdt.tree import Node
from kho_tui.layout.place import Blob, Origin, Place
from kho_tui.layout.platform import Platform
from kho_tui.layout.struct import Layout, Record
from kho_tui.layout.table import Table, table_of
from kho_tui.memory.physical import PhysicalMemory
from kho_tui.model.codes import CODES, POINTER_BAD, POINTER_GAP, PROPERTY_BAD, SOURCE_PROBLEM, Code
from kho_tui.model.facts import Damaged, Fact, Missing, Moving, Unavailable
from kho_tui.model.finding import Finding
from kho_tui.model.host import Host
from kho_tui.model.path import EntityPath
from kho_tui.model.registry import Registry
from kho_tui.text import SafeText, plural, visible, where_shown

_SAME_CODE_LIMIT = 50
_LAST_ADDRESS = 2**64


@dataclass(frozen=True, slots=True)
class OverBudget(Unavailable):
    """Not read, because the budget is spent. That is said once for the whole state."""


@dataclass(slots=True)
class Findings:
    """Findings met on the way; many of one code are counted, not listed."""

    items: list[Finding] = field(default_factory=list)
    _seen: Counter[str] = field(default_factory=Counter)

    def add(self, code: Code, where: EntityPath, message: str, address: int | None = None) -> None:
        """Note one anomaly. ``message`` is ours; captured text in it has gone through ``visible``."""
        self._seen[code.name] += 1
        if self._seen[code.name] <= _SAME_CODE_LIMIT:
            self.items.append(Finding(code=code.name, severity=code.severity, message=SafeText(message), where=where, address=address))

    def add_each(
        self, code: Code, where: EntityPath, rows: Sequence[int], message: Callable[[int], str], at: Callable[[int], int] | None = None
    ) -> None:
        """Note one anomaly for each row: all are counted, those that are listed get a message and an address."""
        listed = rows[: max(_SAME_CODE_LIMIT - self._seen[code.name], 0)]
        for row in listed:
            self.add(code, where, message(row), None if at is None else at(row))
        self._seen[code.name] += len(rows) - len(listed)

    def count(self, *codes: Code) -> int:
        """How many findings of these codes there are so far."""
        return sum(self._seen[code.name] for code in codes)

    def extend(self, other: Findings) -> None:
        """Take over the findings of a part that was decoded on trial."""
        self.items.extend(other.items)
        self._seen.update(other._seen)

    def all(self) -> tuple[Finding, ...]:
        """The findings in order, with a line for each code that was cut."""
        cut = tuple(
            Finding(
                code=name,
                severity=CODES[name].severity,
                message=SafeText(f"{plural(more, 'more finding')} of {name}, not listed"),
                where=EntityPath(),
                address=None,
                count=more,
            )
            for name, seen in self._seen.items()
            if (more := seen - _SAME_CODE_LIMIT) > 0
        )
        return (*self.items, *cut)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads captured memory; for what the state says, and for a file that fails, it answers with a Missing that says why.

    ``pages`` alone raises BudgetError: only its caller knows what to keep of a batch.
    """

    memory: PhysicalMemory | None
    platform: Platform
    context: Context
    findings: Findings
    no_memory: SafeText = NO_MEMORY
    registry: Registry
    live: bool = False
    """Whether this is the running machine: what is read of it is kept to what is needed."""
    host: Host | None = None
    """What tells that an address is no RAM."""
    _reached: set[int] = field(default_factory=set)

    @property
    def here(self) -> str:
        """How what the state has, or lacks, is called."""
        return where_shown(live=self.live)

    def on_trial(self) -> Reader:
        """The same reader with findings of its own, for a part that may have to be decoded again."""
        return replace(self, findings=Findings(), _reached=set())

    def without_memory(self, why: SafeText) -> Reader:
        """The same reader where memory must not be looked at."""
        return replace(self, memory=None, no_memory=why)

    def reached_first(self, address: int) -> bool:
        """Whether nothing has led to the structure at an address before.

        A structure has one owner. Read again for every pointer to it, a page could stand for any amount of work.
        """
        fresh = address not in self._reached
        self._reached.add(address)
        return fresh

    def place(self, address: int) -> Place:
        """Where an address of captured memory lies."""
        name = visible(self.memory.name) if self.memory is not None else ""
        if self.memory is None:
            return Place(Origin.MEMORY, name, None, address)
        try:
            return Place(Origin.MEMORY, name, self.memory.origin(address)[1], address)
        except GapError:
            return Place(Origin.MEMORY, name, None, address)

    def blob(self, address: int, size: int) -> Blob | Missing:
        """``size`` bytes at a physical address."""
        if self.memory is None:
            return Unavailable(self.no_memory)
        if not 0 <= address < _LAST_ADDRESS or address + size > _LAST_ADDRESS:
            return Damaged(SafeText(f"{address:#x} + {size:#x} runs past the end of the address space"))
        try:
            self.context.spend_read(size)
            return Blob(self.memory.read(address, size), self.place(address))
        except GapError as gap:
            return self.absent(gap.address)
        except ReadError as error:
            return Unavailable(visible(str(error)))
        except BudgetError as error:
            return OverBudget(SafeText(str(error)))

    def absent(self, address: int) -> Missing:
        """Why the memory at an address cannot be read: the capture does not hold it, or there is none."""
        if self.host is not None and self.host.surely_no_ram(np.array([address], np.uint64))[0]:
            return Damaged(SafeText(f"no RAM at {address:#x}"))
        absence = None if self.memory is None else self.memory.absence(address)
        if absence is None:
            return Unavailable(SafeText(f"not {self.here}: memory at {address:#x}"))
        reason = SafeText(f"memory at {address:#x}: {absence.reason}")
        return Moving(reason) if absence.moving else Unavailable(reason)

    def unreadable(self, missing: Missing, where: EntityPath, what: str, address: int | None) -> None:
        """Note a pointer that could not be followed. A capture without memory and a spent budget are said once, not at every pointer."""
        if self.memory is not None and not isinstance(missing, (OverBudget, Moving)):
            self.findings.add(POINTER_BAD if isinstance(missing, Damaged) else POINTER_GAP, where, f"{what}: {missing.reason}", address)

    def property(self, node: Node, name: str, where: EntityPath, size: int = 8) -> Fact[int]:
        """The native-endian value of a property that the format demands."""
        value = property_of(node, name, size, self.platform.byte_order)
        if isinstance(value, Damaged):
            self.findings.add(PROPERTY_BAD, where, str(value.reason))
        return value

    def available(self, address: int, size: int) -> int:
        """How many of ``size`` bytes at ``address`` the capture holds without a gap."""
        return 0 if self.memory is None or not 0 <= address < _LAST_ADDRESS else self.memory.available(address, size)

    def page(self, address: int, what: str, pages: int = 1) -> Blob | Missing:
        """A whole page, or several; Damaged where the address is not page aligned."""
        if address % self.platform.page_size:
            return Damaged(SafeText(f"{what} at {address:#x} is not page aligned"))
        return self.blob(address, pages * self.platform.page_size)

    def record(self, layout: Layout, address: int) -> Record | Missing:
        """One struct at a physical address."""
        blob = self.blob(address, layout.size)
        return blob if isinstance(blob, Missing) else layout.record(blob.data, self.platform.byte_order, blob.place)

    def pages(self, addresses: npt.NDArray[np.uint64], size: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Many pieces of ``size`` bytes: bytes of shape (n, size) and which are there, shape (n,). Raises BudgetError.

        Where the file itself fails none of them is there, and a finding says so.
        """
        self.context.spend_read(len(addresses) * size)
        nothing = np.zeros((len(addresses), size), np.uint8), np.zeros(len(addresses), np.bool_)
        if self.memory is None:
            return nothing
        try:
            return self.memory.read_pages(addresses, size)
        except ReadError as error:
            self.findings.add(SOURCE_PROBLEM, EntityPath(("machine", "files")), visible(str(error)))
            return nothing

    def words(self, data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
        """Bytes of shape (n, size) as native u64 of shape (n, size / 8)."""
        sign = "<" if self.platform.byte_order == "little" else ">"
        return data.view(f"{sign}u8").astype(np.uint64, copy=False)

    def table(self, layout: Layout, blob: Blob, skip: int, count: int) -> Table:
        """``count`` structs in a blob after ``skip`` bytes."""
        data = blob.data[skip : skip + count * layout.size]
        return table_of(layout, self.platform.byte_order, data, (blob.place.phys or 0) + skip, blob.place)
