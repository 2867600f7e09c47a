"""Visitors who try until a room answers, cheaply: two cores also have to bring the room up."""

import errno
import select
import socket
import ssl
import time

# A room that is not there yet drops the SYN, and the kernel would only send another after a
# second (RFC 6298 §2): a new connection is begun this often instead.
PAUSE = 0.005
# How long one attempt may take before it is given up for newer ones.
ATTEMPT = 0.2


class Late(Exception):
    pass


def banner(address, port, limit, wants=b"SSH-", pause=PAUSE):
    """When a server's first bytes arrived, in seconds since the epoch.

    With `wants` empty, when it took the connection. Only one connection is open at a time once a
    server takes them: each costs it a process.
    """
    deadline = time.time() + limit
    attempts, begun = {}, 0.0
    poll = select.poll()
    try:
        while (now := time.time()) < deadline:
            taken = any(attempt.taken for attempt in attempts.values())
            if not taken and now - begun >= pause:
                attempt = Attempt(address, port, now)
                begun = now
                attempts[attempt.fileno()] = attempt
                poll.register(attempt.fileno(), select.POLLOUT)
            for descriptor, events in poll.poll(max(0.5, (begun + pause - now) * 1000)):
                attempt = attempts[descriptor]
                if attempt.failed(events):
                    drop(attempts, poll, attempt)
                elif not attempt.taken:
                    attempt.taken = True
                    poll.modify(descriptor, select.POLLIN)
                    if not wants:
                        return time.time()
                elif attempt.reads(wants):
                    return time.time()
                else:
                    drop(attempts, poll, attempt)
            for attempt in [old for old in attempts.values() if not old.taken and now - old.begun > ATTEMPT]:
                drop(attempts, poll, attempt)
    finally:
        for attempt in attempts.values():
            attempt.socket.close()
    raise Late(f"{address}:{port} says nothing within {limit} seconds")


def drop(attempts, poll, attempt):
    poll.unregister(attempt.fileno())
    del attempts[attempt.fileno()]
    attempt.socket.close()


class Attempt:
    def __init__(self, address, port, now):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.begun, self.taken = now, False
        self.socket.connect_ex((address, port))

    def fileno(self):
        return self.socket.fileno()

    def failed(self, events):
        if not self.taken and events & (select.POLLERR | select.POLLHUP):
            return True
        return self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0

    def reads(self, wants):
        try:
            return self.socket.recv(256).startswith(wants)
        except OSError as error:
            return error.errno == errno.EAGAIN and False


class Browser:
    """Visits rooms over HTTPS, the chain verified against the house's authority."""

    def __init__(self, address, authority):
        self.address = address
        self.context = ssl.create_default_context(cafile=authority)

    def open(self, host, limit):
        plain = socket.create_connection((self.address, 443), timeout=limit)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.context.wrap_socket(plain, server_hostname=host)

    def visit(self, host, limit=20):
        """One visit, a new connection; the status of the answer."""
        with self.open(host, limit) as stream:
            return ask(stream, host)

    def first_page(self, host, limit, pause=PAUSE):
        """When a visit that began from nothing had its 200, in seconds since the epoch.

        Until the room answers, one connection is kept: its handshakes would compete with the
        room's boot. The visit that counts is a new one.
        """
        deadline = time.time() + limit
        kept = None
        try:
            while time.time() < deadline:
                try:
                    kept = kept or self.open(host, limit)
                    if ask(kept, host) == 200 and self.visit(host) == 200:
                        return time.time()
                except (OSError, Closed):
                    if kept is not None:
                        kept.close()
                    kept = None
                time.sleep(pause)
        finally:
            if kept is not None:
                kept.close()
        raise Late(f"{host} gives no page within {limit} seconds")


class Closed(Exception):
    pass


def ask(stream, host):
    """One request on a connection; the status, once the whole answer is read."""
    stream.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    head, body = b"", b""
    while b"\r\n\r\n" not in head:
        head += some(stream)
    head, body = head.split(b"\r\n\r\n", 1)
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")),
        0,
    )
    while len(body) < length:
        body += some(stream)
    return int(head.split(b" ")[1])


def some(stream):
    received = stream.recv(65536)
    if not received:
        raise Closed
    return received
