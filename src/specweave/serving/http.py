"""The predictor over HTTP: one endpoint for rows, one for health, one for the schema.

Reads: requests. Writes: responses. Never: answers a request that the schema refuses, shows a traceback.
"""

from __future__ import annotations

from typing import Any

from specweave.errors import DataError, MissingExtraError
from specweave.serving.inference import Predictor

MOST_ROWS = 10_000


def make_app(predictor: Predictor, *, most_rows: int = MOST_ROWS) -> Any:
    """Return the FastAPI application of a predictor.

    ``POST /predict`` takes ``{"rows": [{column: value}, ...], "reasons": true}`` and answers
    ``{"version", "answers": [...], "warnings": [...]}``; ``GET /health`` tells the version; ``GET /schema``
    what a row looks like. Where the problem type makes its rows from events (transactions of customers), a request
    may carry these instead; each answer then names its unit. Rows that the schema refuses get status 422 and
    ``{"error": {severity, code, message, where, fix}}``.

    Parameters
    ----------
    predictor : Predictor
    most_rows : int
        Rows that one request may carry.

    Raises
    ------
    MissingExtraError
        If FastAPI is not installed.
    """
    try:
        from fastapi import Body, FastAPI, Request
        from fastapi.exceptions import RequestValidationError
        from fastapi.responses import JSONResponse
    except ImportError as error:
        raise MissingExtraError.for_package("fastapi", "serve", "serving over HTTP") from error

    events = predictor.problem.example_events(predictor.model)
    examples = [events] if events else None
    app = FastAPI(title=f"Model {predictor.version}", version=predictor.version)

    # A plain function: FastAPI runs it in a thread, so that a long batch does not hold up /health.
    def predict(
        rows: list[dict[str, Any]] = Body(examples=examples),  # noqa: B008
        reasons: bool = Body(default=True),
    ) -> dict[str, Any]:
        if len(rows) > most_rows:
            raise DataError(
                f"{len(rows)} rows in one request, at most {most_rows} are allowed",
                hint="send them in parts, or use: sw predict",
            )
        asked, keys = predictor.rows_asked(rows)
        answers = predictor.predict(asked, reasons=reasons)
        doubts = [f for f in predictor.check(asked) if f.severity == "warning"] if rows else []
        return {
            "version": predictor.version,
            "answers": [{**key, **answer} for key, answer in zip(keys, answers, strict=True)],
            "warnings": [{"code": f.code, "column": f.where, "message": f.message} for f in doubts],
        }

    def health() -> dict[str, Any]:
        return {"status": "ok", "version": predictor.version}

    def schema() -> dict[str, Any]:
        return {
            "version": predictor.version,
            "columns": predictor.schema["columns"],
            "target": predictor.schema.get("target"),
        }

    def refuse(_: Request, error: Exception) -> Any:
        record = error.to_record() if isinstance(error, DataError) else {"message": str(error)}
        return JSONResponse({"error": record}, status_code=422)

    def refuse_shape(_: Request, error: Exception) -> Any:
        told = error.errors()[0] if isinstance(error, RequestValidationError) and error.errors() else {}
        where = ".".join(str(part) for part in told.get("loc", ()))
        record = DataError(
            f"the request is not understood: {told.get('msg', 'not JSON')}",
            where=where or None,
            hint='send {"rows": [{column: value}]}',
        ).to_record()
        return JSONResponse({"error": record}, status_code=422)

    app.add_api_route("/predict", predict, methods=["POST"])
    app.add_api_route("/health", health, methods=["GET"])
    app.add_api_route("/schema", schema, methods=["GET"])
    app.add_exception_handler(DataError, refuse)
    app.add_exception_handler(RequestValidationError, refuse_shape)
    return app


def serve(predictor: Predictor, *, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Answer requests until interrupted.

    Raises
    ------
    MissingExtraError
        If FastAPI or uvicorn is not installed.
    """
    try:
        import uvicorn
    except ImportError as error:
        raise MissingExtraError.for_package("uvicorn", "serve", "serving over HTTP") from error
    uvicorn.run(make_app(predictor), host=host, port=port, log_level="warning")
