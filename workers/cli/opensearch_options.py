"""The options that all commands about OpenSearch share, and the folders that they work in. Needs no client."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

EsUrl = Annotated[
    str,
    typer.Option("--es-url", metavar="URL", help="The cluster; default FAULTLINE_OPENSEARCH__URL. None is built in."),
]
User = Annotated[str, typer.Option("--user", help="Who reads; default FAULTLINE_OPENSEARCH__USER.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--password-file", metavar="FILE", help="Whose first line is the password; or FAULTLINE_OPENSEARCH__PASSWORD."
    ),
]
CaCerts = Annotated[str, typer.Option("--ca-certs", metavar="FILE", help="PEM file of the authorities to trust.")]
Insecure = Annotated[bool, typer.Option("--insecure", help="Take any certificate: only where nobody can listen.")]
Indices = Annotated[
    str,
    typer.Option(
        "--indices", "--index", metavar="NAME,…", help="Names, patterns (events-*), aliases, data streams or serials."
    ),
]
Serials = Annotated[
    str, typer.Option("--index-serials", "--index-serial", metavar="N,…", help="Numbers of the listing: 1,4-6.")
]
DataDir = Annotated[
    Path, typer.Option("--data-dir", help="Folder of raw/, clean/, features/ and artifacts/.", file_okay=False)
]
OutputDir = Annotated[
    Path | None, typer.Option("--output-dir", help="Folder to write to; default: the step's own below --data-dir.")
]
Slices = Annotated[int, typer.Option("--slices", min=1, max=64, help="How many parts are read at a time.")]
ForceDownload = Annotated[
    bool, typer.Option("--force-download", help="Download again what is here already, from the beginning.")
]
NonInteractive = Annotated[
    bool, typer.Option("--non-interactive", help="Ask nothing, even on a terminal; so it is when piped.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress, no words: only errors.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print what was done as JSON on standard output.")]

Mapping = Annotated[
    str, typer.Option(metavar="FILE", help="What the fields mean; default: intake's (FAULTLINE_INTAKE__MAPPING).")
]
KeepDuplicates = Annotated[
    bool, typer.Option("--keep-duplicates", help="Keep documents that are equal in every field but the id.")
]
ModelsDir = Annotated[
    str, typer.Option("--models-dir", metavar="FOLDER|URL", help="Where models lie; default FAULTLINE_REGISTRY__URL.")
]
Contamination = Annotated[
    float, typer.Option(min=0, max=0.49, help="Expected share of outliers in what is learned from.")
]
DetectorNames = Annotated[
    str,
    typer.Option("--detectors", help="Default: isolation_forest,local_outlier_factor,one_class_svm (docs/models.md)."),
]
Consensus = Annotated[
    int, typer.Option("--consensus-threshold", min=1, help="How many detectors must agree that a row is an anomaly.")
]
Seed = Annotated[int, typer.Option(help="The same data and seed give the same models.")]
NoPromote = Annotated[bool, typer.Option("--no-promote", help="Store the models without using them live.")]
EvalModelTag = Annotated[str, typer.Option("--eval-model-tag", help="The model to judge by: its tag or its version.")]
EvalDataset = Annotated[
    str, typer.Option("--eval-dataset", metavar="FILE|TAG", help="Features to judge: a file, or the tag of a data set.")
]
MetadataPath = Annotated[
    Path | None, typer.Option("--metadata-path", help="What rows are of; default: the file beside the features.")
]

DATA = Path("data")
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Folders:
    """Where the steps leave what they make."""

    data: Path

    @property
    def raw(self) -> Path:
        return self.data / "raw"

    @property
    def clean(self) -> Path:
        return self.data / "clean"

    @property
    def features(self) -> Path:
        return self.data / "features"

    @property
    def artifacts(self) -> Path:
        return self.data / "artifacts"

    def cleaned(self, tag: str) -> Path:
        return self.clean / f"{tag}_cleaned.parquet"


def file_name(tag: str) -> str:
    """A tag as part of a file's name."""
    return _UNFIT.sub("-", tag).strip("-") or "data"


def words_of(text: str) -> list[str]:
    """What commas separate."""
    return [word.strip() for word in text.split(",") if word.strip()]
