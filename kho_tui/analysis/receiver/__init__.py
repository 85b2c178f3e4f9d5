"""The one model of a booting kernel: what it checks of a handover and what its consumers restore, against one ledger of the boot."""
