"""A decorator that makes an experiment of each call of a training function.

Reads: the function's source, for the names of what it returns. Writes: through the run. Never: changes
what the function returns.
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from specweave.errors import DataError
from specweave.experiments.run import Run
from specweave.experiments.tracking import track_experiment
from specweave.experiments.values import metric_value
from specweave.integrations.frameworks.base import model_params, name_of

Function = TypeVar("Function", bound=Callable[..., Any])


class AutoTracker:
    """Records training functions: their arguments, what they return, and where they ran.

    Arguments become params; a returned number becomes a metric under the name of the variable that was
    returned, a mapping of numbers becomes metrics, an estimator is saved with its params.

    Parameters
    ----------
    increment : str, optional
        The active one where not given.
    options
        ``task``, ``tags``, ``seed`` of each experiment.

    Examples
    --------
    ::

        tracker = AutoTracker(increment="0042")

        @tracker.track(name="xgboost-auto")
        def train_model():
            model = XGBClassifier(max_depth=6).fit(X_train, y_train)
            score = model.score(X_test, y_test)
            return model, score
    """

    def __init__(self, increment: str | None = None, **options: Any) -> None:
        self.increment = increment
        self._options = options

    def __call__(self, function: Function) -> Function:
        """Use the tracker itself as the decorator."""
        return self._wrap(function, None)

    def track(self, function: Any = None, *, name: str | None = None) -> Any:
        """Decorate a training function: ``@tracker.track`` or ``@tracker.track(name="...")``."""
        if callable(function):
            return self._wrap(function, name)
        # The first argument may also be the name.
        return lambda found: self._wrap(found, name or function)

    def _wrap(self, function: Function, name: str | None) -> Function:
        if not callable(function):
            raise DataError("AutoTracker decorates functions", hint="write @tracker.track above a def")
        names = _returned_names(function)

        @functools.wraps(function)
        def tracked(*arguments: Any, **named: Any) -> Any:
            title = name or function.__name__.replace("_", "-")
            with track_experiment(title, self.increment, **self._options) as run:
                run.log_params(_arguments(function, arguments, named))
                began = time.perf_counter()
                result = function(*arguments, **named)
                run.log_metric("seconds", time.perf_counter() - began)
                values = result if isinstance(result, tuple) else (result,)
                for position, value in enumerate(values):
                    label = names[position] if len(names) == len(values) else None
                    _record(run, value, label or f"result_{position + 1}")
            return result

        return tracked  # type: ignore[return-value]


def _arguments(
    function: Callable[..., Any], arguments: tuple[Any, ...], named: Mapping[str, Any]
) -> dict[str, Any]:
    bound = inspect.signature(function).bind(*arguments, **named)
    bound.apply_defaults()
    return {name: _short(value) for name, value in bound.arguments.items()}


def _short(value: Any) -> Any:
    # Whole tables and arrays are data, not settings: their shape says enough.
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape:
        return f"{type(value).__name__} {'x'.join(map(str, shape))}"
    return type(value).__name__ if hasattr(value, "get_params") else value


def _record(run: Run, value: Any, label: str) -> None:
    if isinstance(value, Mapping):
        numbers = {str(k): number for k, v in value.items() if (number := _number(v)) is not None}
        run.log_metrics(numbers)
        return
    if not isinstance(value, type) and (hasattr(value, "predict") or hasattr(value, "state_dict")):
        run.log_param(label, name_of(value))
        run.log_params(model_params(value))
        run.save_model(value, "model.pkl" if label.startswith(("model", "result")) else f"{label}.pkl")
        return
    number = _number(value)
    if number is not None:
        run.log_metric(label, number)


def _number(value: Any) -> float | None:
    if value is None or isinstance(value, str | bytes | bool):
        return None
    try:
        return metric_value("result", value)
    except DataError:
        return None


def _returned_names(function: Callable[..., Any]) -> list[str | None]:
    """Return the variable names in the function's last return statement; empty where there is no source."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return []
    own = next((n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)), None)
    returns = [n for n in ast.walk(own) if isinstance(n, ast.Return) and n.value is not None] if own else []
    if not returns:
        return []
    value = returns[-1].value
    parts = value.elts if isinstance(value, ast.Tuple) else [value]
    return [part.id if isinstance(part, ast.Name) else None for part in parts]
