"""`piekwacht upkeep run --every SECONDS`: upkeep as a service, for containers, which have no timer.

A failed run is logged and tried again after the interval. SIGTERM ends it between two transactions.
"""

import signal
import threading

from alerting.log import get_logger
from gateway.errors import StartError
from gateway.settings import Settings
from gateway.store.upkeep.outcome import Outcome, OutcomeState
from gateway.store.upkeep.run import run_upkeep
from gateway.system import logging_setup

_LOG = get_logger("gateway.upkeep")


def run_service(settings: Settings, interval: float) -> None:
    """Run upkeep every `interval` seconds until SIGTERM or SIGINT."""
    logging_setup.configure_logging(settings.log)
    stop_requested = threading.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: stop_requested.set())
    while not stop_requested.is_set():
        _run_logged(settings, stop_requested)
        stop_requested.wait(interval)


def _run_logged(settings: Settings, stop_requested: threading.Event) -> None:
    try:
        for outcome in run_upkeep(settings.database.dsn, settings.retention, is_stopping=stop_requested.is_set):
            _log(outcome)
    except StartError as error:
        _LOG.warning("upkeep postponed", error=str(error))


def _log(outcome: Outcome) -> None:
    match outcome.state:
        case OutcomeState.FAILED:
            _LOG.error("work of upkeep failed", work=outcome.work, error=outcome.detail)
        case OutcomeState.SKIPPED:
            _LOG.debug("work of upkeep skipped", work=outcome.work, detail=outcome.detail)
        case _:
            _LOG.info("work of upkeep ended", work=outcome.work, state=outcome.state, detail=outcome.detail)
