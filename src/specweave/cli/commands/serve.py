"""``sw serve``."""

from __future__ import annotations

import click

from specweave.cli.output import Session, common_options


@click.command("serve")
@click.argument("increment_id", metavar="[ID]", required=False)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on."
)
@common_options
def command(session: Session, increment_id: str | None, host: str, port: int) -> None:
    """Answer raw rows over HTTP: POST /predict, GET /health, GET /schema. Stop with Ctrl-C.

    \b
    Example:
      sw serve 42 --port 8080
    """
    from specweave.cli.commands.predict import load_predictor
    from specweave.serving.http import serve

    predictor = load_predictor(session, increment_id)
    session.say(
        f"{predictor.version} answers at http://{host}:{port}/predict  (GET /schema says what a row holds)"
    )
    session.answer("service", {"version": predictor.version, "host": host, "port": port})
    serve(predictor, host=host, port=port)
