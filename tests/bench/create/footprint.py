"""What a house costs its machine, read in /proc and /sys/fs/cgroup."""

import glob
import os

MIB = 1 << 20


def house(house):
    """Resident and proportional memory of core and front, in MiB."""
    pids = [pid for pid in family(house.core.pid) if role(pid) in ("core", "front")]
    if len(pids) != 2:
        raise RuntimeError(f"core and front should be two processes, not {len(pids)}")
    resident = sum(field(f"/proc/{pid}/status", "VmRSS") for pid in pids)
    proportional = sum(field(f"/proc/{pid}/smaps_rollup", "Pss") for pid in pids)
    return resident / MIB, proportional / MIB


def processes(house):
    """How many processes of the house run on the host itself, outside every room."""
    return sum(1 for pid in family(house.core.pid) if not inside(pid))


def init_of(house, name):
    """A room's pid 1, as the host counts: the child of core that is first in its namespace."""
    inits = [pid for pid in family(house.core.pid) if numbers(pid)[1:] == [1]]
    return next(pid for pid in inits if host_name(pid) == name)


def memory_group(house, name, cgroup):
    """The directory of a room's memory controller, above what the room itself owns."""
    pid = init_of(house, name)
    with open(f"/proc/{pid}/cgroup", encoding="utf-8") as groups:
        paths = dict(line.strip().split(":", 2)[1:] for line in groups)
    if "memory" in paths:
        return "/sys/fs/cgroup/memory" + paths["memory"]
    return "/sys/fs/cgroup/" + cgroup + "/" + paths[""].split("/")[2]


def used(group):
    """Memory in use in MiB, page cache included."""
    for name in ("memory.usage_in_bytes", "memory.current"):
        path = os.path.join(group, name)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as value:
                return int(value.read()) / MIB
    raise RuntimeError(f"{group} counts no memory")


def family(pid):
    """A process and everything below it."""
    children = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="utf-8", errors="replace") as stat:
                parent = int(stat.read().rsplit(")", 1)[1].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(parent, []).append(int(path.split("/")[2]))
    found, queue = [], [pid]
    while queue:
        found.append(queue.pop())
        queue += children.get(found[-1], [])
    return found


def role(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as line:
        words = line.read().split(b"\0")
    return words[1].decode() if len(words) > 1 else ""


def numbers(pid):
    """A process's pids, from the host's namespace inwards."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as status:
            line = next(line for line in status if line.startswith("NSpid:"))
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(word) for word in line.split()[1:]]


def inside(pid):
    return len(numbers(pid)) > 1


def host_name(pid):
    try:
        with open(f"/proc/{pid}/root/etc/hostname", encoding="utf-8") as name:
            return name.read().strip()
    except OSError:
        return ""


def field(path, name):
    """A field of a /proc file that counts kB, in bytes."""
    with open(path, encoding="utf-8") as lines:
        line = next(line for line in lines if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024
