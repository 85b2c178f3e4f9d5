"""kho-tui: the terminal inspector for Linux Kexec HandOver (KHO)."""
