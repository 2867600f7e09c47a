"""What is measured, in the order in which a house lives: empty, one room, twenty, fifty at once."""

import os
import statistics
import subprocess
import threading
import time

import footprint
import visitor
from house import BOX, CGROUP, ZONE, say, seconds, until

TIMES = 10
# The first rooms of a house bring the template's files into memory.
WARMING = 2
# A room that takes longer is broken, not slow.
LIMIT = 60

PID1 = "create accepted → pid 1 running"
BANNER = "create accepted → ssh banner, public port"
PAGE = "create accepted → HTTPS 200"
PROCESSES = "host processes per room, besides its own"


def empty(house, table):
    resident, proportional = footprint.house(house)
    table.add("core + front resident, no room", resident, 40, "MiB")
    table.add("core + front proportional (PSS), no room", proportional, None, "MiB")


def creations(house, table):
    say(f"One room at a time, {TIMES} times")
    browser = visitor.Browser(BOX, house.path("state/ca.pem"))
    runs = []
    for number in range(WARMING + TIMES):
        settle()
        runs.append(creation(house, browser, f"one{number}"))
        house.destroy([f"one{number}"])
    for figure, limit in ((PID1, 60), (BANNER, 300), (PAGE, 300)):
        table.add(figure, [run[figure] for run in runs[WARMING:]], limit, "ms")


def creation(house, browser, name):
    """One room from nothing; each figure in milliseconds since its job was accepted."""
    number = house.create(name)
    [port] = [port["public"] for port in house.room(name)["ports"]]
    answered = side_by_side({
        BANNER: lambda: visitor.banner(BOX, port, LIMIT),
        PAGE: lambda: browser.first_page(f"{name}.{ZONE}", LIMIT),
    })
    job = house.finish(number)
    zero = seconds(job["accepted_at"])
    figures = {figure: (at - zero) * 1000 for figure, at in answered.items()}
    return figures | {PID1: step(job, "launch")["at_ms"]}


def step(job, name):
    return next(step for step in job["steps"] if step["name"] == name)


def side_by_side(works):
    """Does everything at once; what each gave."""
    results, failures = {}, []

    def work(name, act):
        try:
            results[name] = act()
        except Exception as error:  # told below, by the thread that waits
            failures.append(error)

    threads = [threading.Thread(target=work, args=item) for item in works.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return results


def peer(peer, table):
    say(f"LXC, the same root file system, {TIMES} times")
    runs = []
    for number in range(WARMING + TIMES):
        settle()
        runs.append(peer.creation(f"one{number}", LIMIT))
    for figure, column in ((PID1, 0), (BANNER, 1)):
        table.beside(figure, [run[column] for run in runs[WARMING:]])
    table.beside(PROCESSES, [run[2] for run in runs])


def changes(house, table):
    say(f"Changes to a running room, {TIMES} times each")
    house.finish(house.create("changed"))
    pid = footprint.init_of(house, "changed")
    ports = [redirection(house, "changed") for _ in range(WARMING + TIMES)]
    keys = [key(house, "changed", pid, number) for number in range(WARMING + TIMES)]
    table.add("port redirection added → a connection through it", ports[WARMING:], 50, "ms")
    table.add("key added → what sshd reads has it", keys[WARMING:], 50, "ms")
    sign_in(house, "changed", house.path(f"key{WARMING + TIMES - 1}"))
    house.destroy(["changed"])


def redirection(house, name):
    settle()
    before = {port["public"] for port in house.room(name)["ports"]}
    number = house.accepted("port_add", name=name, port={"protocol": "tcp", "room": 80})
    [public] = {port["public"] for port in house.room(name)["ports"]} - before
    taken = visitor.banner(BOX, public, LIMIT, wants=b"", pause=0.002)
    accepted = seconds(house.finish(number)["accepted_at"])
    # One port of the room has one redirection.
    house.finish(house.accepted("port_delete", name=name, protocol="tcp", public=public))
    return (taken - accepted) * 1000


def key(house, name, pid, number):
    """sshd reads the file at each login: with the key in it, the next login has it."""
    settle()
    file = house.path(f"key{number}")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "k", "-f", file], check=True)
    with open(f"{file}.pub", encoding="utf-8") as public:
        public = public.read().strip()
    job = house.accepted("key_add", name=name, key=public)
    deadline = time.time() + LIMIT
    while time.time() < deadline:
        try:
            with open(f"/proc/{pid}/root/etc/ssh/authorized_keys.d/student", encoding="utf-8") as keys:
                if public in keys.read():
                    return (time.time() - seconds(house.finish(job)["accepted_at"])) * 1000
        except FileNotFoundError:
            pass
        time.sleep(0.001)
    raise visitor.Late(f"{name} has no new key within {LIMIT} seconds")


def sign_in(house, name, file):
    """Proves that the last key is one to sign in with."""
    port = next(port["public"] for port in house.room(name)["ports"] if port["room"] == 22)
    subprocess.run(
        ["ssh", "-p", str(port), "-i", file, "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes",
         "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
         "-o", "LogLevel=ERROR", f"student@{BOX}", "true"],
        check=True,
    )


def twenty(house, table):
    say("Twenty rooms, idle")
    before = footprint.processes(house)
    names = [f"idle{number}" for number in range(20)]
    for job in [house.create(name) for name in names]:
        house.finish(job)
    groups = [footprint.memory_group(house, name, CGROUP) for name in names]
    until(300, Still(groups), "the rooms' memory does not settle")
    resident, proportional = footprint.house(house)
    table.add("core + front resident, 20 rooms", resident, 45, "MiB")
    table.add("core + front proportional (PSS), 20 rooms", proportional, None, "MiB")
    used = [footprint.used(group) for group in groups]
    table.add("an idle room's memory, its page cache included", used, 20, "MiB")
    extra = (footprint.processes(house) - before) / len(names)
    table.add(PROCESSES, extra, 0, "")
    house.destroy(names)


class Still:
    """Whether the rooms' memory has not moved by a hundredth for ten seconds."""

    def __init__(self, groups):
        self.groups, self.last, self.since = groups, 0, time.monotonic()

    def __call__(self):
        total = sum(footprint.used(group) for group in self.groups)
        if abs(total - self.last) > self.last / 100:
            self.last, self.since = total, time.monotonic()
        return time.monotonic() - self.since > 10


def fifty(house, table):
    say("Fifty rooms at once")
    settle()
    browser = visitor.Browser(BOX, house.path("state/ca.pem"))
    names = [f"many{number}" for number in range(50)]
    begun = time.time()
    jobs = side_by_side({name: lambda name=name: house.create(name) for name in names})
    served = side_by_side({
        name: lambda name=name: browser.first_page(f"{name}.{ZONE}", LIMIT, pause=0.25) for name in names
    })
    for job in jobs.values():
        house.finish(job)
    table.add("50 rooms created at once → all give HTTPS 200", max(served.values()) - begun, 14, "s",
              f"the median room after {statistics.median(served.values()) - begun:.1f} s")
    house.destroy(names)


def settle():
    """Lets the machine finish what it was asked before: writing back, tearing down."""
    os.sync()
    time.sleep(0.5)
