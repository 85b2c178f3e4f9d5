"""The running machine as a capture: debugfs, /proc and /sys as files, /proc/kcore as memory.

Nothing is written, and /dev/liveupdate is never opened: the first open after a kexec changes the state.
"""
