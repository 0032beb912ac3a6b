"""Templates of log messages as training froze them: a file that never changes, named by the hash of its bytes.

The file is JSON in UTF-8, `templates-<hash>.json`; the hash is BLAKE2b-128 of the file (`b2sum -l 128` says the same).
Templates are in order of how many lines of training were theirs; the first `counted` have features of their own.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import orjson

from models.logs.masking import MASK, MAX_BYTES, MAX_WORDS, VERSION
from models.storage import is_object_store, reach, reason

FORMAT = 1
MAX_TEMPLATES = 10_000
MAX_COUNTED = 256
MAX_FILE_BYTES = 64 << 20
SHOWN_CHARACTERS = 48
"""Of a template's text in the name of its metric."""

_NAME = re.compile(r"templates-([0-9a-f]{32})\.json")


class TemplatesError(ValueError):
    """A file of templates cannot be used; the message names it and says what to do."""


@dataclass(frozen=True, slots=True)
class Template:
    """Masked words, `<*>` standing for any one word or for a part of one; how many lines of training were like it, and
    one of those (empty: not kept).
    """

    words: tuple[str, ...]
    lines: int
    example: str = ""

    @property
    def text(self) -> str:
        return " ".join(self.words)


@dataclass(frozen=True)
class Templates:
    """What one file holds. `lines` were mined in all, `start` and `end` (epoch microseconds) are when those were said,
    `left_out` of them were of kinds that there was no room for.
    """

    templates: tuple[Template, ...]
    counted: int
    lines: int
    left_out: int = 0
    start: int = 0
    end: int = 0
    masking: int = VERSION
    _encoded: bytes = field(default=b"", repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.counted <= MAX_COUNTED:
            raise TemplatesError(f"{self.counted} templates with features of their own: at most {MAX_COUNTED} may be")
        if len(self.templates) > MAX_TEMPLATES:
            raise TemplatesError(f"{len(self.templates):,} templates: at most {MAX_TEMPLATES:,} may be")
        if self.counted > len(self.templates):
            raise TemplatesError(f"{self.counted} templates have features of their own, but there are fewer")
        if len({template.words for template in self.templates}) < len(self.templates):
            raise TemplatesError("two templates have the same words")

    @cached_property
    def hash(self) -> str:
        """32 hex digits of the file's bytes."""
        return hashlib.blake2b(self.encode(), digest_size=16).hexdigest()

    @property
    def file_name(self) -> str:
        return f"templates-{self.hash}.json"

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """What the counted templates are called as metrics: their text, shortened, each another one."""
        return tuple(_distinct([metric_of(template.text) for template in self.templates[: self.counted]]))

    def encode(self) -> bytes:
        """The file's bytes; what was read is given back as it came."""
        if self._encoded:
            return self._encoded
        document = {
            "format": FORMAT,
            "masking": self.masking,
            "counted": self.counted,
            "lines": self.lines,
            "left_out": self.left_out,
            "start": self.start,
            "end": self.end,
            "templates": [{"text": t.text, "lines": t.lines, "example": t.example} for t in self.templates],
        }
        return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def decode(cls, blob: bytes) -> Self:
        """Raises `TemplatesError` where these are no templates that this version can match."""
        try:
            document = orjson.loads(blob)
            if document["format"] != FORMAT or document["masking"] != VERSION:
                raise TemplatesError(
                    f"format {document['format']}, masking {document['masking']}; this version reads {FORMAT} and "
                    f"{VERSION}: mine them anew (`faultline templates mine`)"
                )
            numbers = {name: _number(document, name) for name in ("counted", "lines", "left_out", "start", "end")}
            templates = tuple(_template(one) for one in document["templates"])
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise TemplatesError(f"not a file of templates ({error!r})") from error
        return cls(templates, masking=VERSION, _encoded=blob, **numbers)


def load_templates(url: str) -> Templates:
    """The templates of a file, on this machine or wherever fsspec reaches. Raises `TemplatesError`.

    The name has to be that of the content: a file that was changed, or is not whole, is refused.
    """
    name = posixpath.basename(url.partition("?")[0])
    found = _NAME.fullmatch(name)
    if found is None:
        raise TemplatesError(
            f"{name}: a file of templates is called templates-<hash>.json; give the path that "
            "`faultline templates mine` printed"
        )
    try:
        fs, path = reach(url)
        if fs.size(path) > MAX_FILE_BYTES:
            raise TemplatesError(f"{name}: larger than {MAX_FILE_BYTES >> 20} MB")
        blob: bytes = fs.cat_file(path)
    except TemplatesError:
        raise
    except Exception as error:  # storage of any kind; its words may hold secrets of the URL
        raise TemplatesError(f"{name}: cannot be read ({type(error).__name__}); is the path right?") from error
    if hashlib.blake2b(blob, digest_size=16).hexdigest() != found[1]:
        raise TemplatesError(f"{name}: its content has another hash; fetch it again, or mine the templates anew")
    try:
        return Templates.decode(blob)
    except TemplatesError as error:
        raise TemplatesError(f"{name}: {error}") from error


def save_templates(templates: Templates, folder: str) -> str:
    """Write the file into a folder, if it is not there yet; where it lies. Raises `TemplatesError`."""
    place = posixpath.join(folder, templates.file_name)
    try:
        fs, path = reach(place)
        if not is_object_store(fs):  # has no folders; asked for one, it makes a bucket where there is none
            fs.makedirs(posixpath.dirname(path), exist_ok=True)
        if not fs.exists(path):
            fs.pipe_file(path, templates.encode())
    except Exception as error:
        raise TemplatesError(f"{templates.file_name}: cannot be written ({reason(error)})") from error
    return place


def metric_of(text: str) -> str:
    """A template's metric: `messages "connection to <*> refused"`."""
    return f'messages "{shown_text(text)}"'


def shown_text(text: str) -> str:
    """A masked text as names have it: short, without double quotes and double underscores, which mean something."""
    plain = re.sub("_{2,}", "_", text.replace('"', "'")).strip("_")
    plain = "".join(one if one.isprintable() else "?" for one in plain)
    return plain if len(plain) <= SHOWN_CHARACTERS else plain[: SHOWN_CHARACTERS - 1] + "…"


def _distinct(names: Sequence[str]) -> list[str]:
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def _number(document: Mapping[str, Any], name: str) -> int:
    value = document[name]
    if type(value) is not int or value < 0:
        raise TemplatesError(f"{name} is no number of anything: {value!r}")
    return value


def _template(document: Mapping[str, Any]) -> Template:
    text, example = document["text"], document.get("example", "")
    if type(text) is not str or type(example) is not str or len(text.encode()) > 3 * MAX_BYTES:
        raise TemplatesError("a template has a text and perhaps an example")
    words = tuple(text.split(" "))
    if not text or len(words) > MAX_WORDS:
        raise TemplatesError(f"a template has 1 to {MAX_WORDS} words, not {len(words)}: {text[:80]!r}")
    return Template(words, _number(document, "lines"), example)


def is_mask(word: str) -> bool:
    """Whether a word of a template stands for any word."""
    return word == MASK
