"""Run every kernel once before the first reading comes, whatever state the cache on disk is in.

numba keeps compiled code on disk. A process killed while writing leaves a truncated file behind, which raises
EOFError in every later process (numba#10434); then the files go, and the kernels are compiled again.
"""

import pickle
from pathlib import Path

from numba.extending import is_jitted

from alerting.errors import one_line
from alerting.log import get_logger
from gateway.detection.detector import Detector
from gateway.detection.kernels import (
    baseline,
    changes,
    common_mode,
    corroboration,
    detect,
    event_lifecycle,
    gaps,
    judge,
    outliers,
    quartiles,
    regional,
)
from gateway.model.observation import ObservationBatch
from gateway.model.registry import Datastream, ObservedProperty, Registry, Station
from gateway.quality import kernels as quality_kernels
from gateway.quality.flagger import Flagger

_LOG = get_logger("gateway.detection")
_CACHE_ERRORS = (EOFError, pickle.UnpicklingError, AttributeError, ImportError, IndexError, ValueError)
_KERNEL_MODULES = (
    regional,
    baseline,
    event_lifecycle,
    quartiles,
    changes,
    detect,
    common_mode,
    corroboration,
    gaps,
    judge,
    outliers,
    quality_kernels,
)
_KERNELS = tuple(kernel for module in _KERNEL_MODULES for kernel in vars(module).values() if is_jitted(kernel))


def _run_kernels(flagger: Flagger, detector: Detector) -> None:
    """Two made-up readings of one datastream through every kernel."""
    stream = Datastream(slot=0, id=0, station="rehearsal", node="rehearsal", observed_property="pm2_5")
    registry = Registry(
        areas={},
        sites=[],
        stations={"rehearsal": Station(id="rehearsal", area="rehearsal", name="", latitude=0, longitude=0)},
        nodes={},
        properties={"pm2_5": ObservedProperty(id="pm2_5", unit="ug/m3", name={})},
        datastreams=[stream],
        slots={("rehearsal", "pm2_5"): 0},
    )
    _, rows = flagger.flag(
        flagger.initial(registry), ObservationBatch.from_columns([0, 0], [1, 2], [8.0, 8.0]), registry
    )
    detector.detect(detector.initial(registry), rows, registry)


def warm_up_kernels(flagger: Flagger, detector: Detector) -> None:
    """Leave every kernel compiled and in memory."""
    try:
        _run_kernels(flagger, detector)
    except _CACHE_ERRORS as error:
        _LOG.warning("kernel cache unreadable; compiling again", kind=type(error).__name__, error=one_line(error))
        for kernel in _KERNELS:
            for file in Path(str(kernel.stats.cache_path)).glob(f"*{kernel.py_func.__name__}*.nb[ic]"):
                file.unlink(missing_ok=True)
        _run_kernels(flagger, detector)
