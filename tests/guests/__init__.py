"""Guests: whole Linux systems in QEMU, looked at before and after a kexec."""
