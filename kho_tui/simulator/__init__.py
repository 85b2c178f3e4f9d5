"""What a kernel does, without a kernel: machine, allocator, KHO calls, producers. Takes models and memory, never a path."""
