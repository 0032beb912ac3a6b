"""`python -m bench [NAME …]`: run the named benchmarks, or list them. `make bench ARGS=windows` does the same."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path


def main(names: list[str]) -> int:
    """Run each; 2 for a name that there is not."""
    here = Path(__file__).parent
    known = sorted(path.stem for path in here.glob("*.py") if "\ndef main()" in path.read_text())
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"no benchmark is called {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    for name in names or known:
        print(f"== {name}", flush=True)
        importlib.import_module(f"bench.{name}").main()
    return 0


if __name__ == "__main__":
    chosen, sys.argv[1:] = sys.argv[1:], []  # each benchmark then reads its own defaults
    sys.exit(main(chosen))
