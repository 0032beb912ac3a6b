"""ONNX graphs that a detector may hold, run by ONNX Runtime row by row.

A row goes through alone: how a matrix product is split depends on how many rows come together, and a row's result must
not; nor may it depend on what the rows beside it are. So it is the same bytes in any company, whatever the graph does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.detectors.distances import Single
from models.detectors.graph_limits import MOST_SECONDS, GraphError, limit_memory, watch
from models.detectors.graph_rules import LARGEST, inspected, same_but_weights

INSTALL = "Install: pip install 'faultline[onnx]'"


@dataclass(frozen=True, slots=True)
class Graph:
    """One input (1, `width`) of single precision, one output. `width` is None where it is as wide as its rows are;
    `features` are the names that its metadata give its columns, if any.
    """

    blob: bytes = field(repr=False)
    width: int | None
    features: tuple[str, ...]
    _session: Any = field(compare=False, repr=False)

    @classmethod
    def of(cls, blob: bytes, like: Callable[[], bytes] | None = None) -> Graph:
        """Raises ValueError for what is no graph or may not run here, and where ONNX Runtime is not installed; also
        where the graph differs from the one `like` writes in more than its weights.
        """
        try:
            told = inspected(blob)
            if like is not None and not same_but_weights(blob, like()):
                raise ValueError("the ONNX graph is not the one that this detector writes")
            session = _session(blob)
        except ImportError as error:
            raise ValueError(f"the detector is an ONNX graph, and {error.name} is not there. {INSTALL}") from error
        return cls(blob, told.width, told.features, session)

    @property
    def array(self) -> NDArray[np.uint8]:
        """The bytes, as detectors store them."""
        return np.frombuffer(self.blob, np.uint8)

    def run(self, rows: Single, given: int) -> NDArray[np.float64]:
        """(n, given) what n rows give, each by itself; NaN for a row where the graph fails or gives another number of
        values. Raises `GraphError` where a row takes more than `MOST_SECONDS`: to go on would be to do it for each.
        """
        import onnxruntime

        out = np.full((len(rows), given), np.nan)
        name, options = self._session.get_inputs()[0].name, onnxruntime.RunOptions()
        with watch.over(options) as run:
            for run.row in range(len(rows)):
                try:
                    found = self._session.run(None, {name: rows[run.row : run.row + 1]}, options)[0]
                except Exception as error:  # the runtime has no kind of its own for "not with these values"
                    if options.terminate:
                        raise GraphError(
                            f"the ONNX graph took more than {MOST_SECONDS:g} s of the processor for one row"
                        ) from error
                    continue
                if isinstance(found, np.ndarray) and found.dtype.kind == "f" and found.size == given:
                    out[run.row] = found.ravel()
        return out


def read_graph(place: str | Path) -> Graph:
    """The graph in a file. Raises ValueError, with the file's name, for one that cannot be read or taken."""
    path = Path(place)
    try:
        with path.open("rb") as file:
            blob = file.read(LARGEST + 1)
        return Graph.of(blob)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _session(blob: bytes) -> Any:
    """One thread, in order, and of nothing but these bytes."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.enable_cpu_mem_arena = False  # none of its own: of small graphs a bundle may hold many
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
    options.log_severity_level = 4  # what a row does not go through is not worth a line each time
    options.add_session_config_entry("session.load_model_format", "ONNX")  # and not its own, which is not inspected
    try:
        limit_memory()
        return onnxruntime.InferenceSession(
            blob,
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=["ConstantFolding"],  # it runs nodes before any limit holds
        )
    except Exception as error:  # of the runtime's own kinds, which it does not name in public
        raise ValueError(f"ONNX Runtime {onnxruntime.__version__} does not take the graph: {error}") from error
