"""`faultline opensearch train|test`: all steps in turn, as one asks for them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from models.registry import Registry
from models.severity import SeverityCuts
from workers.cli.failures import Failure, WrongUse
from workers.cli.opensearch_access import address_of, interactive, pick, plain_errors
from workers.cli.opensearch_cleaning import Cleaner
from workers.cli.opensearch_combining import combine as combine_sets
from workers.cli.opensearch_features import Featured, make_features
from workers.cli.opensearch_fetching import fetch
from workers.cli.opensearch_models import export, judge, model_of, tagged, train_models
from workers.cli.opensearch_options import (
    DATA,
    AsJson,
    CaCerts,
    Consensus,
    Contamination,
    DataDir,
    DetectorNames,
    EsUrl,
    EvalDataset,
    EvalModelTag,
    Folders,
    ForceDownload,
    Indices,
    Insecure,
    KeepDuplicates,
    Mapping,
    MetadataPath,
    ModelsDir,
    NonInteractive,
    NoPromote,
    OutputDir,
    PasswordFile,
    Quiet,
    Seed,
    Serials,
    Slices,
    User,
    file_name,
    words_of,
)
from workers.cli.opensearch_records import Records
from workers.cli.opensearch_steps import ask, clean_one, downloaded
from workers.cli.promoting import open_registry
from workers.cli.train import ensemble_of, promote_all
from workers.cli.voice import Voice
from workers.settings import Settings, load_settings
from workers.sources.opensearch.connection import Address
from workers.sources.opensearch.contact import Contact
from workers.sources.opensearch.server import Server
from workers.sources.stopping import stop_on_signals


class Pipeline:
    """The steps, over one folder of data. `models_dir` is another registry than the settings'."""

    def __init__(self, voice: Voice, data_dir: Path, models_dir: str, mapping: str, keep_duplicates: bool) -> None:
        settings = load_settings()
        self.settings: Settings = settings.with_registry(models_dir) if models_dir else settings
        self.registry: Registry = open_registry(self.settings)
        self.folders, self.voice = Folders(data_dir), voice
        self._cleaner = Cleaner(self.settings, mapping, keep_duplicates, voice)

    def fetched(
        self, address: Address | None, indices: str, serials: str, slices: int, force: bool, asking: bool
    ) -> list[str]:
        """The indices meant, downloaded. Those that are here already need no cluster (`address` None)."""
        if address is None:
            known, wanted = downloaded(self.folders), words_of(indices)
            if not wanted and known and asking:
                return ask(self.voice, "Indices that are here", known)
            missing = [name for name in wanted if name not in known]
            if serials or missing or not wanted:
                raise WrongUse(
                    "which cluster? Give --es-url https://host:9200, or set FAULTLINE_OPENSEARCH__URL"
                    + (f"; {', '.join(missing)} is not in {self.folders.raw}" if missing else "")
                )
            return wanted
        with stop_on_signals() as stop:
            chosen = pick(Server(address, stop, Contact(self.voice.say)), self.voice, indices, serials, asking)
            fetch(address, self.folders.raw, chosen, slices, force, self.voice, stop)
        return chosen

    def featured(self, indices: list[str], together: bool) -> list[Featured]:
        """Cleaned and with features: one data set for each index, or one of all."""
        tags = [file_name(index) for index in indices]
        for index in indices:
            clean_one(self._cleaner, self.folders, index, self.voice)
        if together and len(tags) > 1:
            tags = [str(combine_sets(tags, self.folders, self.voice)["dataset"])]
        return [self._featured(tag) for tag in tags]

    def _featured(self, tag: str) -> Featured:
        one = make_features(self.folders.cleaned(tag), tag, self.folders, self.settings, self.voice)
        self.voice.say(f"{one.features}: {one.rows:,} rows")
        return one

    def judged(
        self, tag: str, features: Path, metadata: Path | None, agree: int, out: Path | None, several: bool
    ) -> dict[str, Any]:
        """Judge a table by a model, write its anomalies, and say what was found.

        The file is called by the model; where `several` tables are judged, by the table as well.
        """
        if not features.is_file():
            raise WrongUse(f"{features}: no such file; `faultline opensearch features` makes it")
        model, version, model_tag = model_of(self.registry, tag)
        s = self.settings.scoring
        cuts = SeverityCuts(s.severity_medium, s.severity_high, s.severity_critical)
        anomalies, summary = judge(features, model, version, model_tag, agree, cuts)
        of = f"_{file_name(_stem(features))}" if several else ""
        target = (out or self.folders.artifacts) / f"model_{file_name(model_tag)}{of}_anomalies.json"
        beside = features.with_name(f"{_stem(features)}_metadata.csv")
        records = Records(self.folders, _stem(features))
        summary |= export(anomalies, summary, metadata or beside, records, target)
        summary["anomalies_file"] = str(target)
        self.voice.say(_sentence(summary))
        return summary

    def dataset(self, text: str) -> Path:
        """The features that `--eval-dataset` names: a file, or a tag."""
        path = Path(text)
        if path.suffix in (".parquet", ".csv", ".gz") or path.is_file():
            return path
        return self.folders.features / f"{file_name(text)}_features.parquet"


def train_command(
    indices: Indices = "",
    serials: Serials = "",
    combine: Annotated[bool, typer.Option("--combine", help="One model of all of them.")] = False,
    contamination: Contamination = 0.01,
    detectors: DetectorNames = "",
    evaluate: Annotated[bool, typer.Option("--evaluate", help="Then judge, and export anomalies.")] = False,
    eval_model_tag: EvalModelTag = "",
    eval_dataset: EvalDataset = "",
    consensus: Consensus = 2,
    es_url: EsUrl = "",
    user: User = "",
    password_file: PasswordFile = None,
    ca_certs: CaCerts = "",
    insecure: Insecure = False,
    data_dir: DataDir = DATA,
    models_dir: ModelsDir = "",
    output_dir: OutputDir = None,
    mapping: Mapping = "",
    keep_duplicates: KeepDuplicates = False,
    slices: Slices = 4,
    force_download: ForceDownload = False,
    seed: Seed = 0,
    no_promote: NoPromote = False,
    non_interactive: NonInteractive = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Download, clean, make features, train: Isolation Forest, LOF and One-Class SVM as one bundle, tagged by its data.

    Indices that are here already are not downloaded again, and need no cluster.

    Example: faultline opensearch train --indices events-20251024,events-20251026 --combine --evaluate
    """
    voice = Voice.of(quiet, as_json)
    ensemble = ensemble_of(detectors)
    with plain_errors():
        pipeline = Pipeline(voice, data_dir, models_dir, mapping, keep_duplicates)
        address = _address(pipeline.settings, es_url, user, password_file, ca_certs, insecure)
        asking = interactive(non_interactive)
        chosen = pipeline.fetched(address, indices, serials, slices, force_download, asking)
        featured = pipeline.featured(chosen, combine)
        trained = [
            train_models(
                one.features, one.tag, contamination, ensemble, seed, pipeline.registry, pipeline.settings, voice
            )
            for one in featured
        ]
        if not no_promote:
            promote_all(trained, pipeline.settings, pipeline.registry)
        for one in trained:
            voice.say(f"model {one.manifest.training.tag}: {one.version}, {one.manifest.training.rows:,} rows")
        judged = []
        if evaluate or eval_dataset or eval_model_tag:
            pairs = dict.fromkeys(
                (eval_model_tag or made.tag, pipeline.dataset(eval_dataset) if eval_dataset else made.features)
                for made in featured
            )
            several = len({model for model, _ in pairs}) < len(pairs)
            for model, source in pairs:
                judged.append(pipeline.judged(model, source, None, consensus, output_dir, several))
    models = [{"tag": one.manifest.training.tag, "version": one.version} for one in trained]
    voice.report("", {"indices": chosen, "models": models, "promoted": not no_promote, "evaluated": judged})


def judge_command(
    indices: Indices = "",
    serials: Serials = "",
    eval_model_tag: EvalModelTag = "",
    eval_dataset: EvalDataset = "",
    metadata_path: MetadataPath = None,
    combine: Annotated[bool, typer.Option("--combine", help="Judge all indices as one data set.")] = False,
    consensus: Consensus = 2,
    es_url: EsUrl = "",
    user: User = "",
    password_file: PasswordFile = None,
    ca_certs: CaCerts = "",
    insecure: Insecure = False,
    data_dir: DataDir = DATA,
    models_dir: ModelsDir = "",
    output_dir: OutputDir = None,
    mapping: Mapping = "",
    keep_duplicates: KeepDuplicates = False,
    slices: Slices = 4,
    force_download: ForceDownload = False,
    non_interactive: NonInteractive = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Judge a data set by a trained model: summary, and anomalies as JSON with their original documents.

    The data set is --eval-dataset, or the indices, which are then downloaded, cleaned and given features. What is not
    said is asked for on a terminal; otherwise the model is that of the latest data.

    Example: faultline opensearch test --index events-20251114 --eval-model-tag combined_events-20251024_events-20251026
    """
    voice = Voice.of(quiet, as_json)
    with plain_errors():
        pipeline = Pipeline(voice, data_dir, models_dir, mapping, keep_duplicates)
        asking = interactive(non_interactive)
        tag = eval_model_tag or _some_model(pipeline, asking)
        if eval_dataset:
            sources = [pipeline.dataset(eval_dataset)]
        elif indices or serials:
            address = _address(pipeline.settings, es_url, user, password_file, ca_certs, insecure)
            chosen = pipeline.fetched(address, indices, serials, slices, force_download, asking)
            sources = [one.features for one in pipeline.featured(chosen, combine)]
        else:
            sources = [_some_dataset(pipeline, asking)]
        several = len(sources) > 1
        if several and metadata_path is not None:
            raise WrongUse("--metadata-path is of one data set, and several are judged: judge them one by one")
        judged = [pipeline.judged(tag, source, metadata_path, consensus, output_dir, several) for source in sources]
    voice.report("", {"evaluated": judged})


def _address(
    settings: Settings, url: str, user: str, password_file: Path | None, ca_certs: str, insecure: bool
) -> Address | None:
    """None where no cluster is named at all."""
    if not url and not settings.opensearch.url:
        return None
    return address_of(settings, url, user, password_file, ca_certs, insecure)


def _some_model(pipeline: Pipeline, asking: bool) -> str:
    known = list(dict.fromkeys(entry.manifest.training.tag for entry in tagged(pipeline.registry)))
    if not known:
        raise Failure("no model is there to judge by; `faultline opensearch train` makes one")
    if asking and len(known) > 1:
        return ask(pipeline.voice, "Model", known)[0]
    pipeline.voice.say(f"judging by the model {known[0]}")
    return known[0]


def _some_dataset(pipeline: Pipeline, asking: bool) -> Path:
    folder = pipeline.folders.features
    known = sorted(path.name.removesuffix("_features.parquet") for path in folder.glob("*_features.parquet"))
    if not asking or not known:
        raise WrongUse("which data? Give --eval-dataset FILE, or --indices NAME,…")
    return pipeline.dataset(ask(pipeline.voice, "Data set", known)[0])


def _stem(features: Path) -> str:
    return features.name.partition("_features.")[0]


def _sentence(summary: dict[str, Any]) -> str:
    members = ", ".join(f"{name} {count:,}" for name, count in summary["members"].items())
    needed, of = summary["consensus"]["needed"], summary["consensus"]["of"]
    return (
        f"{summary['rows']:,} rows, {summary['anomalies']:,} anomalies ({summary['share']:.2%}) by {needed} of {of} "
        f"detectors ({members}); {summary['anomalies_file']}"
    )
