"""Starts the daemon as systemd would: with what an earlier one gave to be kept, such as listening
sockets and consoles (sd_notify(3), sd_listen_fds(3))."""

import fcntl
import os
import signal
import socket
import threading

# The pid is that of the service itself, which exec(2) keeps.
WRAP = 'LISTEN_PID=$$ exec "$@"'
MOST_FDS = 64


class Manager:
    def __init__(self, folder, command):
        self.command, self.folder, self.pid = command, folder, 0
        self.kept = []  # (name, descriptor)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(folder / "manager.sock"))
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            said, fds, _, _ = socket.recv_fds(self.socket, 65536, MOST_FDS)
            lines = said.decode().splitlines()
            names = [line.removeprefix("FDNAME=") for line in lines if line.startswith("FDNAME=")]
            if "FDSTORE=1" in lines:
                self.kept += [(names[0], fd) for fd in fds]
            if "FDSTOREREMOVE=1" in lines:
                gone = [one for one in self.kept if one[0] == names[0]]
                self.kept = [one for one in self.kept if one not in gone]
                for _, fd in gone:
                    os.close(fd)

    def start(self):
        kept = list(self.kept)
        # Out of the way of the numbers that are to be given, from 3 on.
        moved = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3 + len(kept)) for _, fd in kept]
        log = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, self.folder / "core.log", log, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
            *((os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(moved, 3)),
        ]
        variables = {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": str(self.folder / "manager.sock")}
        if kept:
            variables |= {"LISTEN_FDS": str(len(kept)),
                          "LISTEN_FDNAMES": ":".join(name for name, _ in kept)}
        self.pid = os.posix_spawnp("sh", ["sh", "-c", WRAP, "sh", *self.command], variables,
                                   file_actions=actions, setpgroup=0)
        for fd in moved:
            os.close(fd)

    def is_running(self):
        if self.pid and os.waitpid(self.pid, os.WNOHANG) != (0, 0):
            self.pid = 0
        return bool(self.pid)

    def end(self, how=signal.SIGKILL):
        if self.is_running():
            os.kill(self.pid, how)
            os.waitpid(self.pid, 0)
            self.pid = 0

    def close(self):
        self.end(signal.SIGTERM)
        for _, fd in self.kept:
            os.close(fd)
        self.kept = []
