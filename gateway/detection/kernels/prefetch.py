"""Prefetch a record some readings before it is needed: with very many datastreams memory is the bottleneck."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

PREFETCH_DISTANCE = 12  # readings
PREFETCH_MIN_STREAMS = 4_096  # datastreams; fewer stay in the cache


@intrinsic
def prefetch(_typing: Any, records: Any, index: Any) -> Any:
    """`prefetch(records, place)` begins to load the first line of records[place]; 0 <= place < len(records)."""
    return types.void(records, index), _build_prefetch_call


def _build_prefetch_call(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """LLVM's prefetch instruction; https://llvm.org/docs/LangRef.html#llvm-prefetch-intrinsic."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    int64, int32, byte_pointer = ir.IntType(64), ir.IntType(32), ir.IntType(8).as_pointer()
    index = builder.zext(arguments[1], int64) if arguments[1].type.width < int64.width else arguments[1]
    offset = builder.mul(index, ir.Constant(int64, signature.args[0].dtype.size))
    pointer = builder.gep(builder.bitcast(array.data, byte_pointer), [offset])
    prefetch_function = builder.module.declare_intrinsic(
        "llvm.prefetch", [byte_pointer], ir.FunctionType(ir.VoidType(), [byte_pointer, *[int32] * 3])
    )
    for_write, locality, cache_type = ir.Constant(int32, 1), ir.Constant(int32, 3), ir.Constant(int32, 1)
    builder.call(prefetch_function, [pointer, for_write, locality, cache_type])
    return context.get_dummy_value()
