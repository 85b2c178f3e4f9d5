"""What a kernel calls what KHO shows and is told by: files of debugfs, properties of /chosen, a word of the command line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names of one release; each field is called as 7.3 has it. A release is written by its own, and read by those of any.

    Files of one side in debugfs (kernel/liveupdate/kexec_handover_debugfs.c), ``sub_fdts`` a folder; ``chosen_fdt`` and ``chosen_scratch``
    are properties of /chosen (drivers/of/kexec.c), ``kho_scratch`` the parameter that sizes scratch.
    """

    fdt: str = "fdt"
    sub_fdts: str = "sub_fdts"
    finalize: str = "finalize"
    scratch_phys: str = "scratch_phys"
    scratch_len: str = "scratch_len"
    chosen_fdt: str = "linux,kho-fdt"
    chosen_scratch: str = "linux,kho-scratch"
    kho_scratch: str = "kho_scratch"

    @property
    def scratch_texts(self) -> tuple[str, str]:
        """Where the scratch areas begin, and how long they are."""
        return self.scratch_phys, self.scratch_len

    @property
    def only_outgoing(self) -> tuple[str, ...]:
        """Files that the incoming side has none of."""
        return self.finalize, *self.scratch_texts

    @property
    def side_files(self) -> tuple[str, ...]:
        """Files of a side beside the folder of its subtrees."""
        return self.fdt, *self.only_outgoing
