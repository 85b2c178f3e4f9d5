"""Run in a guest: a program on a terminal of its own, 80 by 24; all that it writes there goes to a file.

    python3 app_on_pty.py FILE COMMAND...

The key q is pressed once there is FILE.quit; FILE.status then has the program's exit code.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import sys
import termios
from pathlib import Path


def main() -> None:
    """Start it, keep what it writes, and press q when asked to."""
    name, command = sys.argv[1], sys.argv[2:]
    child, terminal = pty.fork()
    if not child:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
        os.environ["TERM"] = "xterm-256color"
        os.execvp(command[0], command)
    asked = Path(f"{name}.quit")
    with Path(name).open("wb", buffering=0) as file:
        while True:
            if select.select([terminal], [], [], 0.5)[0]:
                try:
                    data = os.read(terminal, 65536)
                except OSError:  # what Linux says once nothing has the other end open
                    break
                file.write(data)
            elif asked.exists():
                asked.unlink()
                os.write(terminal, b"q")
    Path(f"{name}.status").write_text(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))


if __name__ == "__main__":
    main()
