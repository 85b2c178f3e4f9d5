"""How the boot loader tells a kernel where its KHO state lies: setup_data on x86, properties of /chosen on arm64."""

from __future__ import annotations

from kho_tui.layout.struct import Layout, Unit, u64

SETUP_KEXEC_KHO = 10
"""The type of the setup_data node (arch/x86/include/uapi/asm/setup_data.h, 6.16-7.3)."""

KHO_DATA = Layout(
    "KhoData",
    (
        u64("fdt_addr", Unit.PHYS, "where the incoming root FDT lies; wrong: the state is refused at boot"),
        u64("fdt_size", Unit.BYTES, "size of the FDT's page, so the page size; what the kernel maps to check it"),
        u64("scratch_addr", Unit.PHYS, "where the scratch table lies; wrong: boot memory lands in kept pages"),
        u64("scratch_size", Unit.BYTES, "bytes of the scratch table, 16 for each area; a rest below 16 is ignored"),
    ),
    "arch/x86/include/uapi/asm/setup_data.h, struct kho_data, 6.16-7.3",
    "payload of the setup_data node of type 10",
)

KHO_FDT_PROPERTY = Layout(
    "linux,kho-fdt",
    (
        u64("address", Unit.PHYS, "where the incoming root FDT lies; wrong: the state is refused at boot"),
        u64("size", Unit.BYTES, "size of the FDT's page, so the page size; what the kernel maps to check it"),
    ),
    "drivers/of/kexec.c, drivers/of/fdt.c, 6.16-7.3",
    "property of /chosen, big-endian cells",
)

KHO_SCRATCH_PROPERTY = Layout(
    "linux,kho-scratch",
    (
        u64("address", Unit.PHYS, "where the scratch table lies; wrong: boot memory lands in kept pages"),
        u64("size", Unit.BYTES, "bytes of the scratch table, 16 for each area; a rest below 16 is ignored"),
    ),
    "drivers/of/kexec.c, drivers/of/fdt.c, 6.16-7.3",
    "property of /chosen, big-endian cells",
)
