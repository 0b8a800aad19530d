"""The expressions of filters: a small part of Python's syntax, over columns, computed by Arrow. Nothing in it can call or reach anything.

    amount > 0 and status != 'void'
    country in ('DE', 'AT') or not (paid is None)
    contains(lower(column('e-mail')), '@example.com')

Comparisons chain. Every function and operator gives null where it is given null, `and` and `or` know it as "unknown" (Kleene), and only
`is None` asks for it. A text beside a time, a date, a decimal or a UUID is read as one.
"""

from __future__ import annotations

import ast
import functools
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

LONGEST = 10_000
"""Characters of an expression."""

Evaluate = Callable[[pa.RecordBatch], Any]
"""Gives an Arrow array as long as the batch, or a scalar."""

COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: pc.equal,
    ast.NotEq: pc.not_equal,
    ast.Lt: pc.less,
    ast.LtE: pc.less_equal,
    ast.Gt: pc.greater,
    ast.GtE: pc.greater_equal,
}

ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: pc.add_checked,
    ast.Sub: pc.subtract_checked,
    ast.Mult: pc.multiply_checked,
    ast.Div: lambda one, other: pc.divide_checked(pc.cast(one, pa.float64()), other),
}

FUNCTIONS: Mapping[str, tuple[int, Callable[..., Any]]] = {
    "length": (1, pc.utf8_length),
    "lower": (1, pc.utf8_lower),
    "upper": (1, pc.utf8_upper),
    "contains": (2, lambda text, part: pc.match_substring(text, part.as_py())),
    "starts_with": (2, lambda text, part: pc.starts_with(text, part.as_py())),
    "ends_with": (2, lambda text, part: pc.ends_with(text, part.as_py())),
}
"""By name: how many arguments, and what they do. The second argument is a text in quotes."""


class NotUnderstood(ValueError):
    """What an expression says is not in the grammar."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A filter's expression; two are equal when their texts are."""

    text: str
    columns: frozenset[str]
    _evaluate: Evaluate

    @classmethod
    def of(cls, text: str) -> Expression:
        """Read an expression.

        Raises:
            NotUnderstood: with what is wrong, and what can be written instead.
        """
        reader = _Reader(set())
        evaluate = reader.read(_parsed(text))
        return cls(text, frozenset(reader.columns), evaluate)

    def evaluate(self, rows: pa.RecordBatch) -> pa.Array:
        """True, false or null for each row; raises what Arrow raises, also where a single row cannot be computed."""
        found = self._evaluate(rows)
        return pa.array([found.as_py()] * rows.num_rows, found.type) if isinstance(found, pa.Scalar) else found


def _parsed(text: str) -> ast.expr:
    if len(text) > LONGEST:
        raise NotUnderstood(f"it is longer than {LONGEST:,} characters")
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NotUnderstood(f"it is no expression: {error.msg if isinstance(error, SyntaxError) else error}") from None


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns syntax into functions, and takes note of the columns."""

    columns: set[str]

    def read(self, node: ast.expr) -> Evaluate:
        match node:
            case ast.Name(id=name) | ast.Call(func=ast.Name(id="column"), args=[ast.Constant(value=str(name))], keywords=[]):
                return self._column(name)
            case ast.Constant(value=bool() | int() | float() | str() as value):
                return _constant(value)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
                return self._call(name, arguments)
            case ast.UnaryOp(op=ast.Not() | ast.USub() as op, operand=operand):
                turn, inner = pc.invert if isinstance(op, ast.Not) else pc.negate_checked, self.read(operand)
                return lambda rows: turn(inner(rows))
            case _:
                return self._joint(node)

    def _joint(self, node: ast.expr) -> Evaluate:
        """What has operands on both sides."""
        match node:
            case ast.BoolOp(op=op, values=values):
                join = pc.and_kleene if isinstance(op, ast.And) else pc.or_kleene
                parts = [self.read(value) for value in values]
                return lambda rows: functools.reduce(join, (part(rows) for part in parts))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
                compute, one, other = ARITHMETIC[type(op)], self.read(left), self.read(right)
                return lambda rows: compute(one(rows), other(rows))
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                pairs = zip([left, *comparators], ops, comparators, strict=False)
                compared = [self._comparison(one, op, other) for one, op, other in pairs]
                return lambda rows: functools.reduce(pc.and_kleene, (part(rows) for part in compared))
        raise NotUnderstood(f"`{ast.unparse(node)}` is not something a filter can say; a python stage can")

    def _column(self, name: str) -> Evaluate:
        self.columns.add(name)
        return lambda rows: rows.column(name)

    def _call(self, name: str, arguments: list[ast.expr]) -> Evaluate:
        wanted, function = FUNCTIONS[name]
        if len(arguments) != wanted:
            raise NotUnderstood(f"`{name}` takes {wanted} argument{'s' * (wanted > 1)}")
        if wanted > 1 and not (isinstance(arguments[1], ast.Constant) and isinstance(arguments[1].value, str)):
            raise NotUnderstood(f"the second argument of `{name}` is a text in quotes")
        read = [self.read(argument) for argument in arguments]
        return lambda rows: function(*(argument(rows) for argument in read))

    def _comparison(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Evaluate:
        one = self.read(left)
        if isinstance(op, ast.Is | ast.IsNot):
            if not (isinstance(right, ast.Constant) and right.value is None):
                raise NotUnderstood("only None can stand behind `is`")
            return (lambda rows: pc.is_null(one(rows))) if isinstance(op, ast.Is) else lambda rows: pc.is_valid(one(rows))
        if isinstance(op, ast.In | ast.NotIn):
            return _membership(one, _members(right), found=isinstance(op, ast.In))
        if isinstance(right, ast.Constant) and right.value is None:
            raise NotUnderstood("nothing equals None; write `is None` or `is not None`")
        compare, other = COMPARISONS[type(op)], self.read(right)
        return lambda rows: compare(*_comparable(one(rows), other(rows)))


def _constant(value: bool | float | str) -> Evaluate:  # noqa: FBT001 - a value, no switch
    try:
        scalar = pa.scalar(value)
    except (pa.ArrowInvalid, OverflowError):
        raise NotUnderstood(f"{value} is too large a number") from None
    return lambda _: scalar


def _members(node: ast.expr) -> list[Any]:
    try:
        members = ast.literal_eval(node) if isinstance(node, ast.Tuple | ast.List) else None
    except ValueError:
        members = None
    if not members or not all(isinstance(member, bool | int | float | str) for member in members):
        raise NotUnderstood("behind `in` stands a list of values, as in `country in ('DE', 'AT')`")
    return list(members)


def _membership(value: Evaluate, members: list[Any], *, found: bool) -> Evaluate:
    def evaluate(rows: pa.RecordBatch) -> Any:  # noqa: ANN401 - as `Evaluate`
        column, *wanted = _comparable(value(rows), *(pa.scalar(member) for member in members))
        within = functools.reduce(pc.or_, (pc.equal(column, one) for one in wanted))
        return within if found else pc.invert(within)

    return evaluate


def _comparable(one: Any, *others: Any) -> list[Any]:  # noqa: ANN401 - as `Evaluate`
    """The same values as Arrow compares them: texts beside a time, a date, a decimal or a UUID as what they stand beside."""
    values = [one, *others]
    kind = next((value.type for value in values if _read_from_text(value.type)), None)
    if kind is None:
        return values
    return [_as(value, kind) for value in values]


def _read_from_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_temporal(kind) or pa.types.is_decimal(kind) or kind == pa.uuid())


def _as(value: Any, kind: pa.DataType) -> Any:  # noqa: ANN401 - as `Evaluate`
    if kind == pa.uuid():
        return _uuid(value)
    return value.cast(kind) if isinstance(value, pa.Scalar) and pa.types.is_string(value.type) else value


def _uuid(value: Any) -> Any:  # noqa: ANN401 - as `Evaluate`
    """UUIDs as their 16 bytes: Arrow does not compare what it calls an extension."""
    if isinstance(value, pa.Scalar):
        try:
            return pa.scalar(uuid.UUID(str(value.as_py())).bytes, pa.binary(16))
        except ValueError:
            raise pa.ArrowInvalid(f"'{value.as_py()}' is no UUID") from None
    return value.storage if value.type == pa.uuid() else value
