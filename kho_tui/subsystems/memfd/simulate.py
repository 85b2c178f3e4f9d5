"""What LUO's handler keeps of a memfd in a simulated kernel (mm/memfd_luo.c)."""

from __future__ import annotations

import errno
from dataclasses import dataclass

import numpy as np

from kho_tui.abi.memfd import ALL_SEALS, FOLIO_FLAGS_WRITTEN, LIMITED, MEMFD, MEMFD_LUO_FOLIO_SER, MemfdFormat
from kho_tui.analysis.receiver.sessions import RestoredFile
from kho_tui.model.facts import Missing
from kho_tui.model.plain import PlainVmalloc
from kho_tui.simulator.consumers import Handed
from kho_tui.simulator.facet import FileSimulating
from kho_tui.simulator.incoming import Stretch
from kho_tui.simulator.kernel_error import KernelError
from kho_tui.simulator.kho import Kho
from kho_tui.simulator.producer import PreservedFile
from kho_tui.subsystems.memfd.content import Memfd
from kho_tui.subsystems.memfd.open_memfd import OpenMemfd
from kho_tui.subsystems.memfd.plain import PlainMemfd
from kho_tui.subsystems.memfd.steps import STEPS

_UINT_MAX = (1 << 32) - 1


_SEAL_SEAL = 1
"""F_SEAL_SEAL: what a file comes back with where the format keeps no seals (memfd-v1; seen on 6.19.11): it was not made by memfd_create."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PreservedMemfd(PreservedFile):
    """With the area that lists the folios."""

    file: OpenMemfd
    area: PlainVmalloc | None
    form: MemfdFormat

    def content(self, page_shift: int) -> PlainMemfd:
        """See PreservedFile."""
        flags = np.full(len(self.file.addresses), FOLIO_FLAGS_WRITTEN, np.uint64)
        folios = np.column_stack([self.file.addresses >> np.uint64(page_shift), flags, self.file.indexes])
        folios.flags.writeable = False
        return PlainMemfd(
            form=self.form,
            pos=self.file.pos,
            size=self.file.size,
            seals=self.file.seals if self.form.has_seals else None,
            flags=0,
            folios=folios,
            area=self.area,
        )

    def unpreserve(self, kho: Kho) -> None:
        """memfd_luo_unpreserve."""
        for order in np.unique(self.file.orders).tolist():
            _unpreserve_folios(kho, self.file, order)
        if self.area is not None:
            kho.kho_unpreserve_vmalloc(self.area)
            for page in self.area.entries.tolist():
                kho.allocator.free(page, kho.machine.page_size)
        kho.kho_unpreserve_free(self.data, kho.machine.page_size)


def _preserve(kho: Kho, file: OpenMemfd, what: str) -> PreservedMemfd:
    """memfd_luo_preserve. -EOPNOTSUPP for unknown seals, -EFBIG (7.1 on), -ENOMEM, or what preserving a folio gives."""
    call = "memfd_luo_preserve"
    form = kho.registry.of(kho.release, MEMFD)
    assert form is not None  # every release with LUO has a handler
    if form.has_seals and file.seals & ~ALL_SEALS:
        raise KernelError(errno.EOPNOTSUPP, call, f"seals {file.seals:#x} hold a bit that the format does not know")
    if LIMITED.covers(kho.release.version) and -(-file.size // kho.machine.page_size) > _UINT_MAX:
        raise KernelError(errno.EFBIG, call, f"{file.size} bytes are more than {_UINT_MAX} pages")
    struct = kho.kho_alloc_preserve(form.layout.size, what)
    done: list[int] = []
    area: PlainVmalloc | None = None
    try:
        for order in np.unique(file.orders).tolist():
            kho.kho_preserve_folios(file.addresses[file.orders == order], order)
            done.append(order)
        if len(file.addresses):
            listed = kho.vmalloc(len(file.addresses) * MEMFD_LUO_FOLIO_SER.size, f"{what} list")
            area = kho.kho_preserve_vmalloc(listed, f"{what} list")
    except KernelError:
        for order in done:
            _unpreserve_folios(kho, file, order)
        kho.kho_unpreserve_free(struct, form.layout.size)
        raise
    return PreservedMemfd(file=file, data=struct, compatible=form.compatible, area=area, form=form)


def _unpreserve_folios(kho: Kho, file: OpenMemfd, order: int) -> None:
    """Undo for the folios of one order."""
    for address in file.addresses[file.orders == order].tolist():
        kho.kho_unpreserve_folio(address, order)


def _retrieve(restored: RestoredFile, handed: Handed) -> tuple[OpenMemfd, tuple[Stretch, ...]] | None:
    file = restored.file
    memfd = file.content if isinstance(file.content, Memfd) else None
    if memfd is None or isinstance(memfd.folios, Missing):
        return None
    folios = memfd.folios
    addresses = folios.heads(handed.platform.page_shift)
    indexes = folios.table.column("index")[folios.pfns != 0]
    orders = handed.orders(addresses)
    for array in (addresses, orders, indexes):
        array.flags.writeable = False
    again = OpenMemfd(
        size=memfd.record.integer("size"),
        pos=memfd.record.integer("pos"),
        seals=memfd.record.integer("seals") if memfd.format.has_seals else _SEAL_SEAL,
        addresses=addresses,
        orders=orders,
        indexes=indexes,
        contents=handed.contents_at(int(addresses[0]) if len(addresses) else 0),
    )
    return again, ((file.data, handed.page_size), *handed.area_pages(folios.area))


SIMULATING = FileSimulating(
    can_preserve=lambda kho, file: isinstance(file, OpenMemfd) and not file.hugetlb and kho.registry.of(kho.release, MEMFD) is not None,
    preserve=_preserve,
    retrieve=_retrieve,
    steps=STEPS,
)
