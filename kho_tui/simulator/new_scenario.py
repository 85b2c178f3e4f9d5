"""The scenario that ``sim new`` writes: a small one that runs, with every key explained."""

from __future__ import annotations

_TEXT = """\
# A scenario of kho-tui: a machine, a kernel on it, and what happens. `kho-tui sim run FILE -o DIR` plays it.
# Sizes and addresses are numbers, or text with a suffix ("4K", "512M", "2G") or in hexadecimal ("0x40000000").

[machine]
arch = "x86_64"          # or "aarch64"
page_size = "4K"         # 4K, 16K, 64K
# byte_order = "little"  # every kernel with KHO is little-endian so far
# What kho_scratch's default scale multiplies: memory that the kernel had reserved for itself when it sized scratch,
# below the low limit and in all. It depends on the build, so it is said here; reserve_mem= regions are added by themselves.
boot_low = "28M"
boot_total = "28M"
# low_limit = "4G"
# numa = true
# What is never free: firmware, the kernel's image, the memory map. Pairs of start and size.
reserved = [["0", "1M"], ["16M", "32M"], ["0x3f400000", "12M"]]
# early = [["0x3f000000", "4M"]]   # taken while scratch is placed and free later: the initrd

[[machine.node]]
memory = [["0x1000", "0x9e000"], ["1M", "511M"]]   # pairs of start and size; what lies between is a hole
boot = "19M"                                       # of boot_total, what was reserved on this node

[[machine.node]]
memory = [["512M", "512M"]]
boot = "9M"

[kernel]
release = "7.3"          # 6.16 to 7.3; 7.0 is inferred from its neighbours
# uname = "7.3.4"        # what uname -r says
cmdline = "kho=on liveupdate=on reserve_mem=4M:4096:oops_trace"
seed = 1                 # the same seed gives the same addresses
# debug = true           # CONFIG_KEXEC_HANDOVER_DEBUG
# test = true            # the test module, or how much memory it takes: "8M"
# flbs = 3               # FLBs of the LUO test module

# [pins]                 # where allocations of the first kernel lie: address/order, in the order in which they are asked for
# "LUO" = ["0x722000"]

# What happens, in this order. `expect = "EEXIST"` says that a step has to fail.
[[step]]
do = "session"
name = "vm-alpha"

[[step]]
do = "memfd"
session = "vm-alpha"
token = 1
size = "5M"
pos = 0
seals = ["SHRINK", "GROW"]
order = 0                # of its folios
# holes = [["1M", "64K"]]
# text = "contents"      # else words that count, made from seed, session and token; or tag = 1 for words of your own

[[step]]
do = "kexec"             # ends the stage; release, uname and cmdline may be given anew

[[step]]
do = "retrieve"
session = "vm-alpha"

[[step]]
do = "finish"
session = "vm-alpha"

# Other steps: again (session, token, from_session, from_token: the same file once more), guests (name, count, size, order),
# release (name: close a session), folio (order, address), pages (address, pages), subtree (name, text or hex), remove (name),
# finalize and abort (6.16 to 7.0: out/finalize; 6.16 to 6.18 hand over nothing without it).
"""


def new_scenario() -> str:
    """The text of a scenario."""
    return _TEXT
