"""Ask memory for a record some readings before it is needed: with very many datastreams nothing else is so slow."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

AHEAD = 12  # readings
MANY = 4_096  # datastreams; fewer are near anyway


@intrinsic
def prefetch(_typing: Any, records: Any, place: Any) -> Any:
    """`prefetch(records, place)` begins to load the first line of records[place]; 0 <= place < len(records)."""
    return types.void(records, place), _generate


def _generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """LLVM's own instruction for it; https://llvm.org/docs/LangRef.html#llvm-prefetch-intrinsic."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    wide, flag, byte = ir.IntType(64), ir.IntType(32), ir.IntType(8).as_pointer()
    place = builder.zext(arguments[1], wide) if arguments[1].type.width < wide.width else arguments[1]
    begin = builder.mul(place, ir.Constant(wide, signature.args[0].dtype.size))
    pointer = builder.gep(builder.bitcast(array.data, byte), [begin])
    known = builder.module.declare_intrinsic(
        "llvm.prefetch", [byte], ir.FunctionType(ir.VoidType(), [byte, *[flag] * 3])
    )
    to_write, keep, data = ir.Constant(flag, 1), ir.Constant(flag, 3), ir.Constant(flag, 1)
    builder.call(known, [pointer, to_write, keep, data])
    return context.get_dummy_value()
