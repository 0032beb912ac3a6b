"""`faultline source opensearch`: indices into Kafka, in time order, each document once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workers.cli.extras import needing
from workers.cli.opensearch_options import (
    AsJson,
    CaCerts,
    EsUrl,
    Indices,
    Insecure,
    NonInteractive,
    PasswordFile,
    Quiet,
    Serials,
    User,
)
from workers.cli.sending import Target
from workers.cli.voice import Voice
from workers.sources.stopping import stop_on_signals


def opensearch(
    indices: Indices = "",
    serials: Serials = "",
    es_url: EsUrl = "",
    user: User = "",
    password_file: PasswordFile = None,
    ca_certs: CaCerts = "",
    insecure: Insecure = False,
    time_field: Annotated[str, typer.Option(help="The field to go by.")] = "@timestamp",
    mapping: Annotated[
        str, typer.Option(metavar="FILE", help="What the fields mean; default: intake's (FAULTLINE_INTAKE__MAPPING).")
    ] = "",
    name: Annotated[
        str, typer.Option("--id", help="Under which the position is kept; default: by cluster and indices asked for.")
    ] = "",
    restart: Annotated[bool, typer.Option("--restart", help="Forget the position: send everything again.")] = False,
    topic: Annotated[str, typer.Option(help="Send to this topic instead of the one in the settings.")] = "",
    raw: Annotated[
        bool, typer.Option("--raw", help="Send the documents as they are to the raw topic, for `worker intake`.")
    ] = False,
    no_end: Annotated[bool, typer.Option("--no-end", help="Leave the last windows open: more will follow.")] = False,
    non_interactive: NonInteractive = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Stream indices into Kafka in time order, so that the workers score them; each document exactly once.

    The position is written in the transaction that writes the events: killed and started again, the source goes on
    behind the last document that was committed, and sends what was added since. Documents that cannot be mapped are
    dead letters with the reason. One with the same --id ends one that still runs.

    Example: faultline source opensearch --es-url https://search:9200 --indices 'events-2025*'
    """
    with needing("faultline source opensearch", "opensearch"):
        from workers.cli.opensearch_access import address_of, interactive, pick, plain_errors
        from workers.cli.opensearch_streaming import Streaming, source_id
        from workers.sources.opensearch.contact import Contact
        from workers.sources.opensearch.server import Server
    voice = Voice.of(quiet, as_json)
    target = Target.of(topic, raw, not no_end)
    address = address_of(target.settings, es_url, user, password_file, ca_certs, insecure)
    with stop_on_signals() as stop, plain_errors():
        server = Server(address, stop, Contact(voice.say))
        chosen = pick(server, voice, indices, serials, interactive(non_interactive))
        name = name or source_id(address.url, indices or serials or ",".join(chosen), target.topic)
        streaming = Streaming(target, server, chosen, time_field, str(Path(mapping)) if mapping else "")
        done = streaming.run(name, voice, restart, stop)
    words = f"{done['documents']:,} documents of {len(chosen)} indices: {done['events']:,} events to {target.topic}"
    dead = f", {done['dead']:,} dead letters (`faultline deadletter list`)" if done["dead"] else ""
    before = f", {done['before']:,} documents were sent before" if done["before"] else ""
    voice.report(words + dead + before, {**done, "indices": chosen})
