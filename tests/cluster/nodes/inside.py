"""The first process of a real node's namespaces: ``python -m tests.cluster.nodes.inside DIRECTORY ADDRESS``.

It is given fresh mount, network, host name, IPC and process namespaces, sets them up, makes the file
``namespaces`` in DIRECTORY, and from then on only reaps the processes whose parents have ended. When it is
killed, the kernel ends every process, mount and network device of the node.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

READY = "namespaces"
HOST_NAME = "real-node"

# What kubelet writes for the whole machine: it gets files of its own that hold what it wants to write.
KERNEL_SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}


def set_up(directory: Path, address: str) -> None:
    """Make the namespaces a node's: own folders where programs insist on a path, own network, own name."""
    mounts(directory)
    resolver(directory, address)
    network(address)
    Path("/proc/sys/kernel/hostname").write_text(HOST_NAME)


def mounts(directory: Path) -> None:
    """Cover what containerd, kubelet and the CNI plugins write outside of their folders."""
    run("mount", "--make-rshared", "/")
    for covered in ("/run", "/var/lib"):
        run("mount", "-t", "tmpfs", "tmpfs", covered)
    # At paths that are short whatever the folder's is: a socket's may have 107 characters.
    for shown, name in (("/var/log", "pod-logs"), ("/var/lib/kubelet", "kubelet")):
        (directory / name).mkdir()
        Path(shown).mkdir(exist_ok=True)
        run("mount", "--bind", directory / name, shown)
    settings = directory / "kernel-settings"
    settings.mkdir()
    for name, value in KERNEL_SETTINGS.items():
        setting = Path("/proc/sys", name)
        if setting.exists():
            cover = settings / name.replace("/", ".")
            cover.write_text(f"{value}\n")
            run("mount", "--bind", cover, setting)


def resolver(directory: Path, address: str) -> None:
    """Have names looked up by the node's own DNS server, which answers at once that others do not exist."""
    cover = directory / "resolv.conf"
    cover.write_text(f"nameserver {address}\n")
    # On many systems a link into /run, which is empty by now.
    shown = Path(os.path.realpath("/etc/resolv.conf"))
    shown.parent.mkdir(parents=True, exist_ok=True)
    shown.touch()
    run("mount", "--bind", cover, shown)


def network(address: str) -> None:
    """Make a network of one machine, with a default route so that the programs find their own address."""
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0-peer")
    run("ip", "link", "set", "eth0-peer", "up")
    run("ip", "address", "add", f"{address}/24", "dev", "eth0")
    run("ip", "link", "set", "eth0", "up")
    run("ip", "route", "add", "default", "via", f"{address.rpartition('.')[0]}.254")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n")


def run(*command: str | Path) -> None:
    """Run a command to its end."""
    subprocess.run(command, check=True)


def reap() -> None:
    """Wait for orphans for ever."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    while True:
        signal.sigwait({signal.SIGCHLD})
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            continue


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    set_up(folder, sys.argv[2])
    (folder / READY).touch()
    reap()
