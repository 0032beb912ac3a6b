"""`faultline opensearch`: indices to files, files to models, and what the models find in them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

import typer

from workers.cli.failures import Failure
from workers.cli.opensearch_access import address_of, interactive, pick, plain_errors, show
from workers.cli.opensearch_fetching import fetch
from workers.cli.opensearch_learning import judge_command, train_command
from workers.cli.opensearch_mode import ModeGroup
from workers.cli.opensearch_options import (
    DATA,
    AsJson,
    CaCerts,
    DataDir,
    EsUrl,
    Folders,
    ForceDownload,
    Indices,
    Insecure,
    NonInteractive,
    OutputDir,
    PasswordFile,
    Quiet,
    Serials,
    Slices,
    User,
)
from workers.cli.opensearch_steps import clean, combine, features
from workers.cli.output import print_json
from workers.cli.voice import Voice
from workers.settings import load_settings
from workers.sources.opensearch.contact import Contact
from workers.sources.opensearch.listing import listing
from workers.sources.opensearch.server import Server
from workers.sources.stopping import stop_on_signals

app = typer.Typer(
    cls=ModeGroup,
    help="""Learn from the API and log events in OpenSearch: list, download, clean, features, combine, train, test.

`train` and `test` do all steps in turn; each is a command of its own as well. Without any, flags are those of `train`
or, with `--mode test`, of `test`; a terminal is asked which, and when piped it trains. Nothing here needs Kafka; to
score the indices live, see `faultline source opensearch`.

Example: faultline opensearch train --es-url https://search:9200 --indices events-20251024,events-20251026 --combine""",
)


@app.callback()
def opensearch(
    mode: Annotated[
        Literal["train", "test"] | None,
        typer.Option("--mode", help="Without a command: train or test, with the flags of that command."),
    ] = None,
) -> None:
    """Nothing of its own: `ModeGroup` has made a command of the mode."""


@app.command("list")
def list_indices(
    es_url: EsUrl = "",
    user: User = "",
    password_file: PasswordFile = None,
    ca_certs: CaCerts = "",
    insecure: Insecure = False,
    hidden: Annotated[bool, typer.Option("--hidden", help="Also indices whose names begin with a dot.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the indices: serial number, name, documents, size.

    Example: faultline opensearch list --es-url https://search:9200
    """
    voice = Voice.of(False, False)
    address = address_of(load_settings(), es_url, user, password_file, ca_certs, insecure)
    with stop_on_signals() as stop, plain_errors():
        server = Server(address, stop, Contact(voice.say))
        version = server.version()
        known = listing(server, hidden)
    if as_json:
        print_json({"cluster": address.url, "version": version, "indices": [asdict(one) for one in known]})
        return
    show(known)
    voice.say(f"{len(known)} indices of {address.url} ({version})")


@app.command()
def download(
    indices: Indices = "",
    serials: Serials = "",
    es_url: EsUrl = "",
    user: User = "",
    password_file: PasswordFile = None,
    ca_certs: CaCerts = "",
    insecure: Insecure = False,
    data_dir: DataDir = DATA,
    output_dir: OutputDir = None,
    slices: Slices = 4,
    force_download: ForceDownload = False,
    non_interactive: NonInteractive = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Download whole indices as files; what is there already is not asked for again.

    Broken off in any way, the same command goes on where it was. The documents are counted against the server's count.

    Example: faultline opensearch download --es-url https://search:9200 --index my-index --output-dir data/raw
    """
    voice = Voice.of(quiet, as_json)
    address = address_of(load_settings(), es_url, user, password_file, ca_certs, insecure)
    with stop_on_signals() as stop, plain_errors():
        chosen = pick(Server(address, stop, Contact(voice.say)), voice, indices, serials, interactive(non_interactive))
        place = output_dir or Folders(data_dir).raw
        done = fetch(address, place, chosen, slices, force_download, voice, stop)
    documents = sum(one.docs for one in done)
    if not done:
        raise Failure("nothing was downloaded")
    voice.report(
        f"{documents:,} documents of {len(done)} indices in {place}",
        {"folder": str(place), "indices": [{**asdict(one), "changed": one.changed} for one in done]},
    )


for step in (clean, features, combine):
    app.command()(step)
app.command("train")(train_command)
app.command("test")(judge_command)
