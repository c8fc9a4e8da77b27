"""What all framework trackers share: an experiment and a model, closed together.

Reads: nothing. Writes: through the run. Never: fails a finished training because its model cannot be saved.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from specweave.experiments.run import Run
from specweave.experiments.tracking import track_model


class TrackedTraining:
    """A model's training as an experiment; use it in a ``with`` block.

    Everything a `Run` offers (``log_metric``, ``log_note``, ``save_artifact``, ...) is offered here too.

    Attributes
    ----------
    run : Run
    """

    def __init__(self, run: Run) -> None:
        self.run = run

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or "run" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.run, name)

    def __enter__(self) -> Self:
        self.run.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and not self.run.closed:
            self._finish()
        self.run.__exit__(kind, error, trace)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # Estimators copy their callbacks with their params; there is still one run only.
        return self

    def _finish(self) -> None:
        """Save what is known only at the end of the block; subclasses fill this in."""

    def _save(self, save: Any, *arguments: Any) -> Any:
        """Call something that saves a model; a model that cannot be saved is a note, not a failure."""
        try:
            return save(*arguments)
        except Exception as error:  # savers are foreign code, and the training itself went well
            self.run.log_note(f"the model was not saved: {error}")
            warnings.warn(f"{self.run.id}: the model was not saved: {error}", RuntimeWarning, stacklevel=3)
            return None


def open_run(
    model: Any,
    increment: str | None,
    *,
    name: str | None = None,
    framework: str,
    **options: Any,
) -> Run:
    """Open the experiment of a model, named after its class where no name is given."""
    tags = {"framework": framework, **_mapping(options.pop("tags", None))}
    return track_model(name or name_of(model), increment, tags=tags, **options)


def _mapping(tags: Any) -> dict[str, object]:
    from specweave.experiments.run import make_tags

    return dict(make_tags(tags))


def name_of(model: Any) -> str:
    """Return a name for a model's experiment: its class in kebab case, a pipeline's last step."""
    steps = getattr(model, "steps", None)
    if isinstance(steps, list) and steps and isinstance(steps[-1], tuple):
        return name_of(steps[-1][1])
    kind = model if isinstance(model, type) else type(model)
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", kind.__name__).lower()


def model_params(model: Any) -> dict[str, Any]:
    """Return a model's settings, those of nested estimators included, the estimators themselves by class."""
    if not hasattr(model, "get_params"):
        return {}
    try:
        params = model.get_params(deep=True)
    except TypeError:  # some libraries follow the convention without its argument
        params = model.get_params()
    if not isinstance(params, Mapping):
        return {}
    return {str(name): _plain(value) for name, value in params.items()}


def _plain(value: Any) -> Any:
    if hasattr(value, "get_params") and not isinstance(value, type):
        return type(value).__name__
    if isinstance(value, list | tuple) and any(isinstance(v, tuple) and len(v) >= 2 for v in value):
        return [f"{v[0]}: {_plain(v[1])}" if isinstance(v, tuple) else _plain(v) for v in value]
    if isinstance(value, list) and value and all(callable(v) or hasattr(v, "run") for v in value):
        return [type(v).__name__ for v in value]  # callbacks
    return value
