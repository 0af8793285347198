"""The computation of a kernel function for one ray and one crystal orientation, as expressions of plain numbers.

The function itself runs, on tensors that hold a single ray and a single orientation, and every torch operation is
recorded number by number. So compiled code is made from the kernel itself: no formula is written a second time.
Derivatives are recorded in the same way, from the operations of torch's autograd.

A number may vary with the ray, with the orientation, with both, or with neither. A sum over the dimension of the
orientations is the one loop that a recorded function can have; an operation that is not in the tables below, or a
decision that depends on a number, ends the recording with `Unrecordable`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from nanobrag_torch.backends.compiled import recorded
from nanobrag_torch.backends.compiled.lowering import COMPARISONS, CONSTANTS, MOVES, OPERATIONS, REDUCTIONS, SCATTERS
from nanobrag_torch.backends.compiled.recorded import ORIENTATION, RAY, Added, Number, Table, Unrecordable


class Recorder(TorchDispatchMode):
    """While it is active, operations on its tensors are recorded.

    A tensor is identified by its storage, and each element of a storage has its number, so views and operations in
    place need no special treatment.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._storages: dict[int, Any] = {}
        self._alive: list[torch.Tensor] = []  # a storage that is freed would give its address to another
        self._known: dict[tuple[object, ...], Number] = {}
        self.labels: dict[int, str] = {}  # names of numbers, by their id

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Always: torch never compiles this; importing its compiler to find out would take a second."""
        return False

    def give(self, tensor: torch.Tensor, name: str, varies: int) -> None:
        """Make the elements of a contiguous tensor the input `name`, in storage order."""
        numbers = [self._number(f"{name}[{i}]", (), tensor.dtype, varies) for i in range(tensor.numel())]
        self._keep(tensor, numbers)

    def give_table(self, tensor: torch.Tensor, name: str) -> None:
        """Make a contiguous tensor the lookup table `name`."""
        self._keep(tensor, Table(name))

    def count(self, tensor: torch.Tensor, name: str, varies: int) -> None:
        """Make a tensor of one element the counter of a loop."""
        self._keep(tensor, [self._number(name, (), tensor.dtype, varies)])

    def held(self, numbers: Iterable[Number], like: torch.Tensor) -> torch.Tensor:
        """A tensor like another, of these numbers."""
        tensor = torch.zeros(like.shape, dtype=like.dtype)
        self._keep(tensor, list(numbers))
        return tensor

    def label(self, tensor: torch.Tensor, name: str) -> None:
        """Call the numbers in a tensor `name`, or `name_0`, `name_1`, ... where there are several."""
        numbers = self.numbers_of(tensor)
        taken = set(self.labels.values())
        for position, number in enumerate(numbers):
            label = name if len(numbers) == 1 else f"{name}_{position}"
            if number.arguments and label not in taken:
                self.labels.setdefault(id(number), label)

    def numbers_of(self, tensor: torch.Tensor) -> list[Number]:
        """The numbers in a tensor, in the order of its elements. Raises Unrecordable for an unknown tensor."""
        held = self._storages.get(recorded.address(tensor))
        if held is None:
            raise Unrecordable(f"a tensor of shape {tuple(tensor.shape)} that was not given")
        if isinstance(held, Table):
            raise Unrecordable(f"arithmetic on all of {held.name}")
        if isinstance(held, Added):
            raise Unrecordable("arithmetic on all of a table that is added to")
        return [held[position] for position in recorded.positions(tensor)]

    def added_to(self, tensor: torch.Tensor) -> Added:
        """What is added to a table, and where. Raises Unrecordable for a tensor that nothing was added to."""
        held = self._storages.get(recorded.address(tensor))
        if not isinstance(held, Added):
            raise Unrecordable("a table by whose elements nothing is differentiated")
        return held

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Sequence[Any] = (), keywords: dict[str, Any] | None = None
    ) -> Any:
        keywords = keywords or {}
        result = function(*arguments, **keywords)
        name = function.overloadpacket.__name__
        if name == "_local_scalar_dense":
            raise Unrecordable("a decision or constant taken from a number that may change")
        if not isinstance(result, torch.Tensor):
            self._check_views(name, result)
            return result
        if name in SCATTERS or self._adds_tables(name, arguments, keywords):
            self._keep(result, self._added(name, arguments))
        elif name.endswith("_") and not name.startswith("_"):
            self._overwrite(arguments[0], self._computed(name[:-1], function, arguments, keywords, result))
        elif recorded.address(result) not in self._storages:
            self._keep(result, self._laid_out(result, self._computed(name, function, arguments, keywords, result)))
        return result

    def _check_views(self, name: str, results: Any) -> None:
        """Several results at once are parts of what is known, or nothing is known of them."""
        if not all(
            recorded.address(x) in self._storages for x in recorded.flat([results]) if isinstance(x, torch.Tensor)
        ):
            raise Unrecordable(f"operation {name}")

    def _computed(
        self, name: str, function: Any, arguments: Sequence[Any], keywords: dict[str, Any], result: torch.Tensor
    ) -> list[Number]:
        """The numbers of a result, in the order of its elements."""
        if name in CONSTANTS or self._all_constant(arguments):
            return [self._constant(value, result.dtype) for value in result.reshape(-1).tolist()]
        if name in MOVES:
            return self._moved(function, arguments, keywords)
        if name in REDUCTIONS:
            return self._reduced(name, arguments, result)
        if name in ("gather", "index"):
            return self._looked_up(name, arguments)
        if name in ("copy", "fill", "_to_copy"):
            source = arguments[0] if name == "_to_copy" else arguments[1]
            return [self._cast(number, result.dtype) for number in self._spread(source, result)]
        if name not in OPERATIONS and name not in COMPARISONS:
            raise Unrecordable(f"operation {name}")
        return self._elementwise(name, arguments, keywords, result)

    def _all_constant(self, arguments: Sequence[Any]) -> bool:
        """Whether nothing but constants goes into an operation."""
        tensors = [part for part in recorded.flat(arguments) if isinstance(part, torch.Tensor)]
        return all(
            isinstance(self._storages.get(recorded.address(tensor)), list)
            and all(number.expression.startswith("#") for number in self.numbers_of(tensor))
            for tensor in tensors
        )

    def _elementwise(
        self, name: str, arguments: Sequence[Any], keywords: dict[str, Any], result: torch.Tensor
    ) -> list[Number]:
        operands = [a for a in arguments if isinstance(a, torch.Tensor | float | int)]
        for keyword, value in keywords.items():
            if keyword not in ("alpha", "value") or value != 1:
                raise Unrecordable(f"{name} with {keyword}")
        if name in COMPARISONS:
            template, of = COMPARISONS[name], recorded.common_dtype(operands)
        else:
            template, of = OPERATIONS[name], result.dtype
        columns = [self._spread(operand, result) for operand in operands]
        rows = []
        for row in zip(*columns, strict=True):
            if name == "add" and any(recorded.is_zero(number) for number in row):
                rows.append(self._cast(row[0] if recorded.is_zero(row[1]) else row[1], of))
                continue
            typed = tuple(
                number if name == "where" and position == 0 else self._cast(number, of)
                for position, number in enumerate(row)
            )
            rows.append(self._number(template(of), typed, result.dtype))
        return rows

    def _spread(self, operand: Any, result: torch.Tensor) -> list[Number]:
        """The numbers of an operand as it is broadcast to a result."""
        if not isinstance(operand, torch.Tensor):
            return [self._constant(operand, recorded.dtype_of(operand))] * result.numel()
        return self.numbers_of(operand.detach().expand(result.shape))

    def _moved(self, function: Any, arguments: Sequence[Any], keywords: dict[str, Any]) -> list[Number]:
        """Elements that only change places: the operation acts on their numbers, with 0 for added zeros."""
        carried: list[Number] = []

        def numbered(argument: Any) -> Any:
            if isinstance(argument, list | tuple):
                return type(argument)(numbered(part) for part in argument)
            if not isinstance(argument, torch.Tensor):
                return argument
            first = len(carried) + 1
            carried.extend(self.numbers_of(argument))
            return torch.arange(first, len(carried) + 1).reshape(argument.shape)

        moved = function(*numbered(tuple(arguments)), **{k: v for k, v in keywords.items() if k != "dtype"})
        zero = self._constant(0, carried[0].dtype)
        return [carried[position - 1] if position else zero for position in moved.reshape(-1).tolist()]

    def _reduced(self, name: str, arguments: Sequence[Any], result: torch.Tensor) -> list[Number]:
        """Sums over the elements there are, and over orientations where the dimension before the rays is summed."""
        values = arguments[0]
        over = arguments[1] if len(arguments) > 1 and arguments[1] is not None else []
        dimensions = {d % values.dim() for d in ([over] if isinstance(over, int) else over)} or set(range(values.dim()))
        kept = [d for d in range(values.dim()) if d not in dimensions]
        ordered = values.detach().permute(*kept, *sorted(dimensions)) if values.dim() else values
        numbers = self.numbers_of(ordered)
        each = len(numbers) // max(1, result.numel())
        both = ORIENTATION | RAY
        over_orientations = name == "sum" and values.dim() - 2 in dimensions and values.dim() - 1 not in dimensions
        totals, template = [], OPERATIONS[REDUCTIONS[name]](result.dtype)
        for first in range(0, len(numbers), each):
            total = self._cast(numbers[first], result.dtype)
            for number in numbers[first + 1 : first + each]:
                total = self._number(template, (total, self._cast(number, result.dtype)), result.dtype)
            if over_orientations and total.varies & both == both:
                total = self._number("{0}", (total,), total.dtype, RAY | total.varies & recorded.TERMS, total=True)
            totals.append(total)
        return totals

    def _looked_up(self, name: str, arguments: Sequence[Any]) -> list[Number]:
        table = self._storages.get(recorded.address(arguments[0]))
        if not isinstance(table, Table):
            if name == "index":
                return self._moved_by_index(arguments)
            raise Unrecordable(f"{name} of a tensor that is no table")
        index = arguments[2] if name == "gather" else arguments[1][0]
        dtype = arguments[0].dtype
        return [
            self._number(f"{table.name}[{{0}}]", (self._table_index(number),), dtype, table=table.name)
            for number in self.numbers_of(index)
        ]

    def _moved_by_index(self, arguments: Sequence[Any]) -> list[Number]:
        numbers = self.numbers_of(arguments[0])
        positions = torch.arange(len(numbers)).reshape(arguments[0].shape)
        return [numbers[i] for i in torch.ops.aten.index.Tensor(positions, arguments[1]).reshape(-1).tolist()]

    def _adds_tables(self, name: str, arguments: Sequence[Any], keywords: dict[str, Any]) -> bool:
        """Whether an operation is the sum of two tables that are added to."""
        held = [self._storages.get(recorded.address(x)) for x in arguments if isinstance(x, torch.Tensor)]
        both = len(held) == 2 and all(isinstance(tensor, Added) for tensor in held)
        return both and name in ("add", "add_") and not keywords

    def _added(self, name: str, arguments: Sequence[Any]) -> Added:
        """What two tables add up to, or a table of zeros with numbers added where other numbers say."""
        if name not in SCATTERS:
            first, second = (self.added_to(tensor) for tensor in arguments)
            return Added(first.terms + second.terms)
        if not all(map(recorded.is_zero, self.numbers_of(arguments[0]))):
            raise Unrecordable(f"{name} to other numbers than zeros")
        index, source = arguments[2:4] if name == "scatter_add" else (arguments[1][0], arguments[2])
        if name == "index_put" and not (len(arguments) == 4 and arguments[3]):
            raise Unrecordable(f"{name} without a sum")
        indices = map(self._table_index, self.numbers_of(index))
        return Added(tuple(zip(indices, self.numbers_of(source), strict=True)))

    def _table_index(self, number: Number) -> Number:
        """Straight from the floating point number that was rounded to an index, where it was."""
        while number.expression in ("(int64_t){0}", "(index_t){0}"):
            number = number.arguments[0]
        return self._number("(index_t){0}", (number,), torch.int32)

    def _overwrite(self, target: torch.Tensor, numbers: list[Number]) -> None:
        held = self._storages.get(recorded.address(target))
        if not isinstance(held, list):
            raise Unrecordable("an operation in place on a tensor that was not given")
        for position, number in zip(recorded.positions(target), numbers, strict=True):
            held[position] = self._cast(number, target.dtype)

    def _keep(self, tensor: torch.Tensor, held: list[Number | None] | list[Number] | Table | Added) -> None:
        self._alive.append(tensor)
        self._storages[recorded.address(tensor)] = held

    def _laid_out(self, tensor: torch.Tensor, numbers: list[Number]) -> list[Number | None]:
        held: list[Number | None] = [None] * (tensor.untyped_storage().nbytes() // tensor.element_size())
        for position, number in zip(recorded.positions(tensor), numbers, strict=True):
            held[position] = number
        return held

    def _cast(self, number: Number, dtype: torch.dtype) -> Number:
        if number.dtype == dtype:
            return number
        if not number.arguments and number.expression.startswith("#"):
            return self._constant(recorded.value_of(number), dtype)
        return self._number(f"({recorded.C_TYPES[dtype]}){{0}}", (number,), dtype)

    def _constant(self, value: float | int | bool, dtype: torch.dtype) -> Number:
        text = recorded.rounded(float(value), dtype).hex() if dtype.is_floating_point else str(int(value))
        return self._number(f"#{text}", (), dtype, 0)

    def _number(
        self,
        expression: str,
        arguments: tuple[Number, ...],
        dtype: torch.dtype,
        varies: int | None = None,
        total: bool = False,
        table: str | None = None,
    ) -> Number:
        """The number of an expression; equal expressions of the same numbers share one number."""
        key = (expression, tuple(map(id, arguments)), dtype, total)
        if key not in self._known:
            if varies is None:
                varies = 0
                for argument in arguments:
                    varies |= argument.varies
            self._known[key] = Number(expression, arguments, dtype, varies, total, table)
        return self._known[key]
