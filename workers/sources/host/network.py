"""Network links and internet sockets of a machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import psutil

from workers.sources.host.paths import Paths

LINK_METRICS = (
    *("network_receive_bytes", "network_receive_packets", "network_receive_errors", "network_receive_drops"),
    *("network_transmit_bytes", "network_transmit_packets", "network_transmit_errors", "network_transmit_drops"),
)
_RECEIVED, _SENT = slice(0, 4), slice(8, 12)  # columns of /proc/net/dev

_LOOPBACK = ("lo",)
_PASSING_ON = ("veth", "docker", "br-", "cni", "flannel", "cali", "virbr", "vnet", "tap", "ifb", "dummy")
"""Links whose traffic goes through another one as well."""
_LISTENS = b" 0A "  # the state column of /proc/net/tcp; no other column is two hexadecimal digits long


def links(paths: Paths, loopback: bool) -> dict[str, Sequence[float]]:
    """Totals of each link that counts, in the order of `LINK_METRICS`.

    Those are the ones that have hardware behind them; where none has (in a container), all that do not merely pass on
    what goes through another. `loopback` takes that in too.
    """
    found = _links_of_files(paths) if (paths.net / "dev").exists() else _links_of_psutil()
    solid = {name for name in found if (paths.sys / "class" / "net" / name / "device").exists()}
    real = solid or {name for name in found if not name.startswith((*_LOOPBACK, *_PASSING_ON))}
    if loopback:
        real |= {name for name in found if name.startswith(_LOOPBACK)}
    return {name: found[name] for name in real}


def _links_of_files(paths: Paths) -> dict[str, Sequence[float]]:
    found: dict[str, Sequence[float]] = {}
    for line in (paths.net / "dev").read_text().splitlines()[2:]:
        name, _, rest = line.partition(":")
        columns = [float(column) for column in rest.split()]
        found[name.strip()] = (*columns[_RECEIVED], *columns[_SENT])
    return found


def _links_of_psutil() -> dict[str, Sequence[float]]:
    return {
        name: (
            *(link.bytes_recv, link.packets_recv, link.errin, link.dropin),
            *(link.bytes_sent, link.packets_sent, link.errout, link.dropout),
        )
        for name, link in psutil.net_io_counters(pernic=True, nowrap=False).items()
    }


def sockets(paths: Paths) -> Mapping[str, float]:
    """TCP and UDP sockets that listen, and all others (whoever owns them)."""
    if not (paths.net / "tcp").exists():
        found = psutil.net_connections(kind="inet")
        listening = sum(socket.status == psutil.CONN_LISTEN for socket in found)
        return {"connections": len(found) - listening, "connections_listen": listening}
    total = listening = 0
    for kind in ("tcp", "tcp6", "udp", "udp6"):
        file = paths.net / kind
        if file.exists():  # no tcp6 where IPv6 is switched off
            content = file.read_bytes()
            total += max(0, content.count(b"\n") - 1)
            listening += content.count(_LISTENS)
    return {"connections": total - listening, "connections_listen": listening}
