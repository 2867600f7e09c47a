"""A throw-away house, with a namespace that stands for the Internet around it."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

from manager import Manager

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("PIAULE_BIN", ROOT / "target/debug/piaule")
TEMPLATES = pathlib.Path("/var/cache/piaule/templates")
ZONE = "piaule.test"
PANEL = f"https://panel.{ZONE}"
# Documentation addresses (RFC 5737), in namespaces of our own.
BOX, CLIENT = "198.51.100.1", "198.51.100.2"
FRONT_UID = 64903
PATIENCE = 60


def until(what, check, patience=PATIENCE):
    """Polls until `check` is true; fails with `what` after `patience` seconds."""
    deadline = time.monotonic() + patience
    while not (found := check()):
        assert time.monotonic() < deadline, f"waited {patience} s for {what}"
        time.sleep(0.01)
    return found


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
    return done.stdout


class House:
    """Two namespaces, a folder, and the daemon in them."""

    def __init__(self):
        mark = os.getpid()
        self.host, self.internet = f"piaule-host-{mark}", f"piaule-net-{mark}"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="piaule-browser."))
        self.folder.chmod(0o755)
        self.config, self.log = self.folder / "piaule.toml", self.folder / "core.log"
        self.client = [str(BINARY), "--socket", str(self.folder / "run/piaule.sock")]
        command = [*self.enter(self.host), BINARY, "core", "--config", self.config]
        self.manager = Manager(self.folder, [str(word) for word in command])
        self.cleanup = contextlib.ExitStack()

    def __enter__(self):
        try:
            self.make_network()
            self.configure(f"piaule-browser-{os.getpid()}")
            self.start_core()
            self.provide_template()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.manager.close()
        self.cleanup.close()
        run("rm", "--recursive", "--force", "--one-file-system", self.folder)

    def make_network(self):
        for name in (self.host, self.internet):
            run("ip", "netns", "add", name)
            self.cleanup.callback(run, "ip", "netns", "del", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "-n", self.host, "link", "add", "pub0", "type", "veth",
            "peer", "name", "eth0", "netns", self.internet)
        for name, link, address in ((self.host, "pub0", BOX), (self.internet, "eth0", CLIENT)):
            run("ip", "-n", name, "address", "add", f"{address}/24", "dev", link)
            run("ip", "-n", name, "link", "set", link, "up")

    def configure(self, cgroup):
        for name in ("state", "run", "pool"):
            (self.folder / name).mkdir()
        settings = {
            "zone": ZONE, "public_address": BOX, "uplink": "pub0", "cgroup": cgroup,
            "state": self.folder / "state", "run": self.folder / "run",
            "pool": self.folder / "pool", "pool_size": "8G",
            "recipes": ROOT / "profiles/templates",
        }
        lines = [f'{key} = "{value}"' for key, value in settings.items()]
        lines += [f"front_uid = {FRONT_UID}", "resolvers = []"]
        self.config.write_text("\n".join(lines) + "\n")
        # It undoes what the daemon made, once that has ended.
        self.cleanup.callback(self.in_host, BINARY, "dismantle", "--config", self.config, "--yes")

    @staticmethod
    def enter(name):
        """`ip netns exec` would hide the cgroups under a /sys of its own."""
        return ["nsenter", f"--net=/run/netns/{name}"]

    def in_host(self, *command, **options):
        return run(*self.enter(self.host), *command, **options)

    def piaule(self, *words, said=None):
        """One command of the administrator's; its JSON."""
        text = run(*self.client, "--json", *words, input=said)
        return json.loads(text) if text.strip() else None

    def start_core(self):
        self.manager.start()
        until("the daemon", self.is_open)

    def is_open(self):
        assert self.manager.is_running(), f"the daemon ended: {self.log.read_text()[-2000:]}"
        asked = subprocess.run([*self.client, "status"], capture_output=True)
        return asked.returncode == 0 and self.front_pid()

    def kill_core(self):
        self.manager.end()

    def front_pid(self):
        """The pid of the front that serves; 0 when none does."""
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.folder / "run/front.pid").read_text().split()[0])
            os.kill(pid, 0)
            return pid
        return 0

    def kill_front(self):
        os.kill(self.front_pid(), signal.SIGKILL)

    def provide_template(self):
        cached = sorted(TEMPLATES.glob("light*.tar.zst"), key=lambda file: file.stat().st_mtime)
        assert cached, f"no template in {TEMPLATES}: `just demo --once` builds one and keeps it there"
        self.piaule("template", "import", "light", cached[-1])

    def make_account(self, login, password):
        self.piaule("account", "create", login, f"{login}@school.example", "--password-stdin",
                    said=password + "\n")

    def make_key(self, login):
        """A public key of this person's."""
        file = self.folder / f"{login}.key"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{login}@portable", "-f", file)
        return file.with_suffix(".key.pub").read_text().strip()
