"""A real kernel in QEMU, booted on a state as a kexec would boot it."""
