"""Network namespaces: made, entered by the calling thread, removed."""

import ctypes
import os
import subprocess

CLONE_NEWNET = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)


def run(*command, **options):
    """Runs a program that must succeed; what it prints."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def enter(path):
    """Moves the calling thread, and what it starts, into a network namespace (setns(2))."""
    with open(path, "rb") as namespace:
        if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {path}")


class Pair:
    """A house's network and its visitors', joined by one link."""

    def __init__(self, house, internet, box, visitor):
        self.house, self.internet, self.box, self.visitor = house, internet, box, visitor

    def make(self):
        for name in (self.house, self.internet):
            if os.path.exists(f"/run/netns/{name}"):
                raise RuntimeError(
                    f"the network namespace {name} exists: another run goes on, or was killed"
                    f" (`ip netns del {name}`)"
                )
        for name in (self.house, self.internet):
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "-n", self.house, "link", "add", "pub0", "type", "veth",
            "peer", "name", "eth0", "netns", self.internet)
        for name, link, address in (
            (self.house, "pub0", self.box),
            (self.internet, "eth0", self.visitor),
        ):
            run("ip", "-n", name, "address", "add", f"{address}/30", "dev", link)
            run("ip", "-n", name, "link", "set", link, "up")

    def remove(self):
        for name in (self.house, self.internet):
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)
