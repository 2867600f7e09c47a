"""The figures a room is judged by, as a table; see create.sh.

Everything is measured from outside, as a visitor meets it, and counted from the moment core wrote
down as the job's acceptance. The house lives in network namespaces and a folder of its own; this
process sits in the one that stands for the Internet.
"""

import os
import shutil
import signal
import sys

import lxc
import measure
from house import House
from table import Table

BINARY = os.environ.get("PIAULE_BIN") or os.path.join(os.getcwd(), "target/release/piaule")


def main():
    refuse_unless_ready()
    # So that everything is taken down on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    table = Table()
    with House(BINARY) as house:
        measure.empty(house, table)
        measure.creations(house, table)
        with lxc.Peer(house) as peer:
            measure.peer(peer, table)
        measure.changes(house, table)
        measure.twenty(house, table)
        measure.fifty(house, table)
    table.show()
    return 0 if table.held() else 1


def refuse_unless_ready():
    if os.geteuid() != 0:
        sys.exit("bench: rooms need root")
    if not os.access(BINARY, os.X_OK):
        sys.exit(f"bench: {BINARY} is missing: run `just release`")
    for program, package in (
        ("lxc-start", "lxc"),
        ("btrfs", "btrfs-progs"),
        ("nft", "nftables"),
        ("ssh", "openssh-client"),
    ):
        if shutil.which(program) is None:
            sys.exit(f"bench: {program} is missing: install the Debian package {package}")


sys.exit(main())
