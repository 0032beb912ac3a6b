"""A PostgreSQL of one's own, where its server programs are installed: started, stopped, frozen, and gone at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import Self

import psutil
import psycopg
from psycopg.sql import SQL, Identifier

from tests.support.process import Daemon, free_port

MISSING = "PostgreSQL's server programs are not installed: apt-get install postgresql"

_PLACES = ("/usr/lib/postgresql", "/usr/pgsql-", "/opt/homebrew/opt", "/usr/local/opt")


def programs() -> Path | None:
    """The folder with `initdb` and `postgres`, the newest there is; None where there is none."""
    beside = [path for place in _PLACES for path in Path(place).parent.glob(f"{Path(place).name}*/**/bin/initdb")]
    on_path = shutil.which("initdb")
    found = [path.parent for path in (*beside, *([Path(on_path)] if on_path else []))]
    return max((folder for folder in found if (folder / "postgres").exists()), key=_version, default=None)


def _version(folder: Path) -> tuple[int, str]:
    digits = "".join(sign for sign in folder.parent.name if sign.isdigit())
    return int(digits or 0), str(folder)


class PostgreSQL:
    """A server with a user and a database called faultline; root starts it as `nobody`, since it refuses to be root."""

    def __init__(self) -> None:
        found = programs()
        if found is None:
            raise RuntimeError(MISSING)
        self._programs, self._port = found, free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="faultline-postgresql-"))
        self._data = self._folder / "data"
        self._server: Daemon | None = None
        self._user = pwd.getpwnam("nobody") if os.getuid() == 0 else None
        if self._user is not None:
            os.chown(self._folder, self._user.pw_uid, self._user.pw_gid)
        secret = self._folder / "secret"
        secret.write_text("telemetry")
        made = [found / "initdb", "-D", self._data, "-U", "faultline", "-A", "scram-sha-256", f"--pwfile={secret}"]
        subprocess.run([*self._as_user(), *map(str, made), "-N", "-E", "UTF8"], check=True, capture_output=True)

    @property
    def url(self) -> str:
        return f"postgresql://faultline:telemetry@127.0.0.1:{self._port}/postgres"

    def new_database(self) -> str:
        """The address of an empty database that nobody else has."""
        name = f"db_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        return self.url.removesuffix("postgres") + name

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        command = [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self._port), "-h", "127.0.0.1"]
        command += ["-c", f"unix_socket_directories={self._folder}", "-c", "fsync=off"]
        self._server = Daemon([*self._as_user(), *command], self._folder / "log")
        ready = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self._port)]
        self._server.wait_ready(lambda: subprocess.run(ready, check=False).returncode == 0, 60)

    def stop(self) -> None:
        """At once: who is connected loses the connection, what was committed stays."""
        if self._server is not None and self._server.running:
            os.kill(self._server.pid, signal.SIGINT)  # by SIGTERM it would wait until everyone has left
            self._server.wait(60)
        self._server = None

    def freeze(self) -> None:
        """Connections stay, and nothing answers any more: neither those nor new ones."""
        for pid in self._pids():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in self._pids():
            os.kill(pid, signal.SIGCONT)

    def _pids(self) -> list[int]:
        main = int((self._data / "postmaster.pid").read_text().splitlines()[0])
        return [main, *(child.pid for child in psutil.Process(main).children(recursive=True))]

    def _as_user(self) -> list[str]:
        if self._user is None:
            return []
        return ["setpriv", f"--reuid={self._user.pw_uid}", f"--regid={self._user.pw_gid}", "--clear-groups"]
