"""LUO takes its state at an early initcall, before kexec-metadata and the test module (kernel/liveupdate/luo_core.c)."""

from __future__ import annotations

from kho_tui.analysis.receiver.facet import BuildOption, Receiving
from kho_tui.analysis.receiver.luo import LUO_CHECKS

RECEIVING = Receiving(turn=1, option=BuildOption("CONFIG_LIVEUPDATE", tristate=False), checks=LUO_CHECKS)
