"""LXC beside: the same root file system below an overlay, the same units, a range of uids.

What a room of ours is born with, a host key, LXC gets in the template, so only what both do is
compared: a writable layer made, the container begun, its ssh server heard inside.
"""

import glob
import os
import subprocess
import threading
import time

import namespace
import visitor
from namespace import run

BASE, RANGE = 700_000_000, 65536
CONFIG = """\
lxc.rootfs.path = dir:{root}
lxc.uts.name = peer
lxc.idmap = u 0 {base} {range}
lxc.idmap = g 0 {base} {range}
lxc.net.0.type = empty
lxc.mount.auto = proc:mixed sys:mixed
lxc.mount.entry = cgroup2 sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,create=dir 0 0
lxc.pty.max = 1024
lxc.tty.max = 0
lxc.autodev = 1
lxc.init.cmd = /sbin/init
lxc.apparmor.profile = unconfined
lxc.seccomp.profile = /usr/share/lxc/config/common.seccomp
lxc.cap.drop = mac_admin mac_override sys_time sys_module sys_rawio
lxc.console.logfile = {folder}/console.log
"""


class Peer:
    def __init__(self, house):
        self.folder = house.path("lxc")
        # In the house's pool: the same btrfs.
        self.pool = house.path("pool/lxc")
        self.template = house.template

    def __enter__(self):
        os.mkdir(self.folder)
        os.mkdir(self.pool)
        self.pivots = pivots()
        lower = self.lower
        run("btrfs", "subvolume", "snapshot", self.template, lower)
        shift(lower)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f",
            f"{lower}/etc/ssh/ssh_host_ed25519_key")
        for name in ("", ".pub"):
            os.chown(f"{lower}/etc/ssh/ssh_host_ed25519_key{name}", BASE, BASE)
        return self

    def __exit__(self, *_):
        for name in os.listdir(self.folder):
            self.remove(name)
        run("btrfs", "subvolume", "delete", self.lower)
        os.rmdir(self.pool)
        os.rmdir(self.folder)
        for path in pivots() - self.pivots:
            os.rmdir(path)

    @property
    def lower(self):
        return os.path.join(self.pool, "lower")

    def creation(self, name, limit):
        """Milliseconds from nothing to pid 1 and to the ssh banner, and LXC's own processes."""
        begun = time.time()
        self.make(name)
        # Without newuidmap(1) in its way, root may map any uid, whatever subuid(5) says.
        run("/usr/bin/lxc-start", "-P", self.folder, "-n", name,
            env={"PATH": "/usr/sbin:/sbin"})
        running = time.time()
        pid = run("lxc-info", "-P", self.folder, "-n", name, "-pH").strip()
        heard = self.heard(pid, limit)
        monitors = count_monitors(self.folder, name)
        self.remove(name)
        return (running - begun) * 1000, (heard - begun) * 1000, monitors

    def make(self, name):
        layer, folder = os.path.join(self.pool, name), os.path.join(self.folder, name)
        root = os.path.join(folder, "root")
        run("btrfs", "subvolume", "create", layer)
        for path in (f"{layer}/upper", f"{layer}/work", folder, root):
            os.mkdir(path)
        os.chown(f"{layer}/upper", BASE, BASE)
        options = f"lowerdir={self.lower},upperdir={layer}/upper,workdir={layer}/work"
        run("mount", "-t", "overlay", "overlay", "-o", options, root)
        with open(os.path.join(folder, "config"), "w", encoding="utf-8") as config:
            config.write(CONFIG.format(root=root, base=BASE, range=RANGE, folder=folder))

    def heard(self, pid, limit):
        """When its ssh server was heard, from inside its network namespace."""
        heard = []

        def listen():
            namespace.enter(f"/proc/{pid}/ns/net")
            heard.append(visitor.banner("127.0.0.1", 22, limit))

        thread = threading.Thread(target=listen)
        thread.start()
        thread.join()
        if not heard:
            raise visitor.Late(f"LXC's ssh server says nothing within {limit} seconds")
        return heard[0]

    def remove(self, name):
        folder = os.path.join(self.folder, name)
        subprocess.run(["lxc-stop", "-k", "-P", self.folder, "-n", name],
                       stderr=subprocess.DEVNULL, check=False)
        run("umount", os.path.join(folder, "root"))
        run("btrfs", "subvolume", "delete", os.path.join(self.pool, name))
        for path in os.listdir(folder):
            path = os.path.join(folder, path)
            os.rmdir(path) if os.path.isdir(path) else os.remove(path)
        os.rmdir(folder)


def shift(root):
    """Gives a tree to the container's range of uids."""
    for folder, folders, files in os.walk(root):
        for name in [folder] + [os.path.join(folder, name) for name in folders + files]:
            found = os.lstat(name)
            if found.st_uid < RANGE and found.st_gid < RANGE:
                os.lchown(name, BASE + found.st_uid, BASE + found.st_gid)
                if not os.path.islink(name):
                    # chown(2) took the set-user-ID bits away.
                    os.chmod(name, found.st_mode & 0o7777)


def pivots():
    """The cgroups its monitors end in and leave behind."""
    return set(glob.glob("/sys/fs/cgroup/lxc.pivot") + glob.glob("/sys/fs/cgroup/*/lxc.pivot"))


def count_monitors(folder, name):
    """LXC's own processes for one container, outside of it."""
    count = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as line:
                count += line.read().startswith(f"[lxc monitor] {folder} {name}\0".encode())
        except OSError:
            continue
    return count
