"""QEMU's machine protocol, as much of it as guests need."""

from __future__ import annotations

import json
import socket
from time import monotonic
from typing import Any


class QmpError(Exception):
    """QEMU refused a command, closed the connection, or did not answer in time."""


class Qmp:
    """One connection; commands are answered one after the other."""

    def __init__(self, connected: socket.socket, seconds: float) -> None:
        """Greets QEMU, waiting as many seconds. Raises QmpError."""
        self._socket = connected
        self._unread = b""
        deadline = monotonic() + seconds
        while "QMP" not in self._message(deadline):
            pass
        self.execute("qmp_capabilities", seconds=seconds)

    def execute(self, command: str, seconds: float = 10.0, **arguments: object) -> Any:
        """What a command returns (underscores in names of arguments are written as such). Raises QmpError, also after ``seconds``."""
        deadline = monotonic() + seconds
        order: dict[str, object] = {"execute": command, **({"arguments": arguments} if arguments else {})}
        try:
            self._socket.settimeout(seconds)
            self._socket.sendall(json.dumps(order).encode() + b"\n")
        except OSError as error:
            raise QmpError(f"{command}: {error}") from None
        while True:
            message = self._message(deadline)
            if "error" in message:
                raise QmpError(f"{command}: {message['error'].get('desc')}")
            if "return" in message:
                return message["return"]

    def _message(self, deadline: float) -> dict[str, Any]:
        while b"\n" not in self._unread:
            self._socket.settimeout(max(deadline - monotonic(), 0.001))
            try:
                data = self._socket.recv(1 << 16)
            except OSError as error:
                raise QmpError(f"QEMU does not answer: {error}") from None
            if not data:
                raise QmpError("QEMU has closed the connection")
            self._unread += data
        line, self._unread = self._unread.split(b"\n", 1)
        message: dict[str, Any] = json.loads(line)
        return message
