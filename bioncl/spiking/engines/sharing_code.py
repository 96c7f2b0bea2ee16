"""How threads meet inside compiled code, without Python's lock: atomic numbers, and jobs in a box.

    load, add, swap    numbers of an int64 array that several threads write
    post               writes a compiled function and its arguments into a box
    call               calls it, on whatever thread

See `sharing` for what is done with them.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.base import BaseContext

from bioncl.spiking.engines.compiled import operation

FUNCTION, ARGUMENTS = 32, 40  # places in a box
ROOM = 512  # numbers for arguments
I64 = ir.IntType(64)
BODY = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer()])


def _place(context: BaseContext, builder: ir.IRBuilder, kind: Any, box: Any, index: Any) -> Any:
    """Address of a number in the box."""
    data = context.make_array(kind)(context, builder, box).data
    return builder.gep(data, [index])


@operation
def load(_: Any, box: Any, place: Any) -> Any:
    """A number of the box, and whatever was written before it was."""

    def generate(context: BaseContext, builder: ir.IRBuilder, _: Any, args: Any) -> Any:
        return builder.load_atomic(_place(context, builder, box, *args), "acquire", 8)

    return types.int64(box, types.int64), generate


@operation
def add(_: Any, box: Any, place: Any, value: Any) -> Any:
    """Add to a number of the box; returns what it was before."""

    def generate(context: BaseContext, builder: ir.IRBuilder, _: Any, args: Any) -> Any:
        at = _place(context, builder, box, *args[:2])
        return builder.atomic_rmw("add", at, args[2], "acq_rel")

    return types.int64(box, types.int64, types.int64), generate


@operation
def swap(_: Any, box: Any, place: Any, old: Any, new: Any) -> Any:
    """Replace a number of the box if it is `old`; returns whether it was."""

    def generate(context: BaseContext, builder: ir.IRBuilder, _: Any, args: Any) -> Any:
        at = _place(context, builder, box, *args[:2])
        done = builder.cmpxchg(at, args[2], args[3], "acq_rel", "acquire")
        return builder.extract_value(done, 1)

    return types.boolean(box, types.int64, types.int64, types.int64), generate


@operation
def post(_: Any, box: Any, job: Any, arguments: Any) -> Any:
    """Write a compiled function that returns nothing, and a tuple of its arguments, into a box.

    The memory of arrays among the arguments is borrowed: whoever posts them keeps it.
    """

    def generate(context: BaseContext, builder: ir.IRBuilder, _: Any, args: Any) -> Any:
        value = _borrowed(context, builder, arguments, args[2])
        if context.get_abi_sizeof(value.type) > 8 * ROOM:
            raise ValueError(f"Arguments of a job: expected at most {8 * ROOM} bytes")
        room = _place(context, builder, box, args[0], I64(ARGUMENTS))
        builder.store(value, builder.bitcast(room, value.type.as_pointer())).align = 8
        body = _body(context, builder, job, arguments, value.type)
        builder.store(
            builder.ptrtoint(body, I64), _place(context, builder, box, args[0], I64(FUNCTION))
        )
        return context.get_dummy_value()

    return types.void(box, job, arguments), generate


def _borrowed(context: BaseContext, builder: ir.IRBuilder, kind: Any, value: ir.Value) -> ir.Value:
    """The value without what numba counts references by, which ends with the call that posts."""
    if isinstance(kind, types.Array):
        for place in (0, 1):  # meminfo, parent
            none = ir.Constant(value.type.elements[place], None)
            value = builder.insert_value(value, none, place)
    for place, each in enumerate(getattr(kind, "types", ())):  # of a tuple
        part = _borrowed(context, builder, each, builder.extract_value(value, place))
        value = builder.insert_value(value, part, place)
    return value


def _body(
    context: Any, builder: ir.IRBuilder, job: Any, arguments: Any, form: ir.Type
) -> ir.Function:
    """A function that does the job with the arguments at an address."""
    done = job.dispatcher.get_compile_result(types.void(*arguments.types))
    context.add_linking_libs([done.library])
    body = cgutils.get_or_insert_function(
        builder.module, BODY, f"shared_{done.fndesc.mangled_name}"
    )
    if body.is_declaration:
        body.linkage = "internal"
        inner = ir.IRBuilder(body.append_basic_block())
        whole = inner.load(inner.bitcast(body.args[0], form.as_pointer()))
        whole_parts = cgutils.unpack_tuple(inner, whole, len(arguments.types))
        work = context.declare_function(builder.module, done.fndesc)
        context.call_conv.call_function(inner, work, types.void, done.fndesc.argtypes, whole_parts)
        inner.ret_void()
    return body


@operation
def call(_: Any, box: Any) -> Any:
    """Call the function in a box with the arguments there."""

    def generate(context: BaseContext, builder: ir.IRBuilder, _: Any, args: Any) -> Any:
        address = builder.load(_place(context, builder, box, args[0], I64(FUNCTION)))
        room = _place(context, builder, box, args[0], I64(ARGUMENTS))
        body = builder.inttoptr(address, BODY.as_pointer())
        builder.call(body, [builder.bitcast(room, BODY.args[0])])
        return context.get_dummy_value()

    return types.void(box), generate
