"""A house of its own to measure: network, folder, daemon, template; everything taken down after."""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime

import namespace
from namespace import run

ZONE = "bench.test"
# An address of the documentation (RFC 5737), which no network uses.
BOX, VISITOR = "198.51.100.1", "198.51.100.2"
CACHE = "/var/cache/piaule/templates"
CGROUP = "piaule-bench"
LOGIN = "bench"
SETTINGS = """\
zone = "{zone}"
public_address = "{box}"
uplink = "pub0"
network = "192.168.200.0/22"
resolvers = []
state = "{folder}/state"
run = "{folder}/run"
pool = "{folder}/pool"
pool_size = "40G"
recipes = "{recipes}"
front_uid = 64902
cgroup = "{cgroup}"
"""
# What names the template's content: its recipe and where its packages come from.
TEMPLATE_KEY = """\
find profiles/templates/light /etc/apt/sources.list* -type f -print0 | LC_ALL=C sort --zero-terminated \
| xargs --null sha256sum | sha256sum | cut -c1-16"""


def say(text):
    print(f"\n{text}", file=sys.stderr)


class House:
    def __init__(self, binary):
        self.binary = binary
        self.network = namespace.Pair("piaule-bench", "piaule-bench-internet", BOX, VISITOR)
        self.core = None
        self.folder = None

    def __enter__(self):
        try:
            self.begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.folder is None:
            return
        if self.core is not None:
            self.core.terminate()
            self.core.wait(30)
            subprocess.run(
                ["nsenter", f"--net={self.namespace}", self.binary, "dismantle",
                 "--config", self.settings, "--yes"],
                stdout=subprocess.DEVNULL, check=False,
            )
        self.network.remove()
        with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
            if any(f" {self.folder}/" in line for line in mounts):
                print(f"bench: something is still mounted in {self.folder}", file=sys.stderr)
                return
        shutil.rmtree(self.folder)

    def begin(self):
        say("A house, warm")
        self.network.make()
        self.folder = tempfile.mkdtemp(prefix="piaule-bench.", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.settings = f"{self.folder}/piaule.toml"
        with open(self.settings, "w", encoding="utf-8") as settings:
            settings.write(SETTINGS.format(
                zone=ZONE, box=BOX, folder=self.folder, cgroup=CGROUP,
                recipes=os.path.join(os.getcwd(), "profiles/templates"),
            ))
        self.start()
        self.provide_template()
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", self.path("key"))
        self.cli("account", "create", LOGIN, "bench@school.example", "--rooms", "100",
                 "--password-stdin", input="correct horse battery staple\n")
        # From here on this process, and what it starts, is a visitor.
        namespace.enter(f"/run/netns/{self.network.internet}")

    def start(self):
        with open(self.path("core.log"), "wb") as log:
            self.core = subprocess.Popen(
                ["nsenter", f"--net={self.namespace}", self.binary, "core",
                 "--config", self.settings],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )
        until(30, self.answers, "the house does not open; see its log above", self.show_log)

    def answers(self):
        try:
            return self.get("/v1/status") is not None
        except OSError:
            return False

    def show_log(self):
        with open(self.path("core.log"), encoding="utf-8") as log:
            sys.stderr.write("".join(log.readlines()[-20:]))

    def provide_template(self):
        key = run("bash", "-c", TEMPLATE_KEY).strip()
        file = f"{CACHE}/light-{key}.tar.zst"
        if os.path.exists(file):
            self.cli("template", "import", "light", file)
            return
        say("The template, built once")
        self.cli("template", "build", "light")
        os.makedirs(CACHE, exist_ok=True)
        self.cli("template", "export", "light", f"{file}.bench")
        os.rename(f"{file}.bench", file)

    @property
    def namespace(self):
        return f"/run/netns/{self.network.house}"

    @property
    def template(self):
        """The newest version's root file system."""
        versions = self.path("pool/templates/light")
        return os.path.join(versions, max(os.listdir(versions), key=int))

    def path(self, name):
        return os.path.join(self.folder, name)

    def cli(self, *words, **options):
        return run(self.binary, "--socket", self.path("run/piaule.sock"), *words, **options)

    # The socket, without a client's own start in the figures.

    def get(self, path):
        return request(self.path("run/piaule.sock"), "GET", path)

    def command(self, verb, /, **fields):
        """Sends one command; its reply."""
        body = json.dumps({verb: fields})
        return request(self.path("run/piaule.sock"), "POST", "/v1/command", body)

    def accepted(self, verb, /, **fields):
        """Sends one command that makes a job; the job's number."""
        return self.command(verb, **fields)["accepted"]["job"]

    def create(self, name):
        with open(self.path("key.pub"), encoding="utf-8") as key:
            return self.accepted("room_create", name=name, template="light", owner=LOGIN,
                                 keys=[key.read().strip()])

    def room(self, name):
        return self.get(f"/v1/rooms/{name}")["room"]

    def job(self, number):
        return self.get(f"/v1/jobs/{number}")["job"]

    def finish(self, number):
        """Waits until a job has ended well; the job."""
        connection = Socket(self.path("run/piaule.sock"))
        connection.request("GET", f"/v1/jobs/{number}/events")
        for line in connection.getresponse():
            job = json.loads(line)["job"]
            if job["state"] == "done":
                return job
            if job["state"] != "running":
                raise RuntimeError(f"job {number}: {job['error']}")
        raise RuntimeError(f"job {number} is no longer told of")

    def destroy(self, names):
        for job in [self.accepted("room_destroy", name=name) for name in names]:
            self.finish(job)


class Socket(http.client.HTTPConnection):
    """HTTP on a Unix socket."""

    def __init__(self, path):
        super().__init__("piaule")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def request(path, method, target, body=None):
    connection = Socket(path)
    connection.request(method, target, body)
    response = connection.getresponse()
    said = json.loads(response.read())
    connection.close()
    if response.status != 200:
        raise RuntimeError(f"{method} {target} {body or ''}: {said}")
    return said


def seconds(timestamp):
    """An RFC 3339 timestamp as seconds since the epoch, to compare with time.time()."""
    whole, fraction = re.fullmatch(r"([^.Z]+)(\.\d+)?Z", timestamp).groups()
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(fraction or 0)


def until(limit, holds, sentence, explain=lambda: None):
    """Waits until something holds."""
    pause = threading.Event()
    deadline = time.monotonic() + limit
    while not (found := holds()):
        if time.monotonic() > deadline:
            explain()
            raise RuntimeError(sentence)
        pause.wait(0.02)
    return found
