import decimal
import gc
import sys

import pytest

from gateway.system.gc_tuning import pause_gc
from gateway.system.lean_imports import hide_modules


def test_hidden_modules_cannot_be_imported_inside_the_block_and_are_as_before_after_it():
    assert "this_is_no_module" not in sys.modules
    with hide_modules("decimal", "this_is_no_module"):
        for name in ("decimal", "this_is_no_module"):
            with pytest.raises(ImportError):
                __import__(name)
    assert sys.modules["decimal"] is decimal
    assert "this_is_no_module" not in sys.modules


def test_hidden_modules_are_as_before_after_an_error():
    def fail_inside():
        with hide_modules("decimal"):
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        fail_inside()
    assert sys.modules["decimal"] is decimal


def test_the_collector_is_paused_inside_the_block_and_as_before_after_it():
    assert gc.isenabled()
    with pause_gc():
        with pause_gc():
            assert not gc.isenabled()
        assert not gc.isenabled(), "the outer block goes on"
    assert gc.isenabled()
