"""Questions in the words of SQLAlchemy Core, as PostgreSQL takes them with the answers that SQLite gives."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.base import PGCompiler, PGDDLCompiler, PGDialect
from sqlalchemy.sql import operators

__all__ = ["dialect"]

_PLACED = (operators.nulls_first_op, operators.nulls_last_op)


class _Compiler(PGCompiler):
    """What an app says once: a list as JSON, text that is like another in either case of ASCII, nulls as the least."""

    def visit_json_each_func(self, function: Any, **options: Any) -> str:
        listed = self.process(function.clause_expr, **options)
        return f"json_array_elements_text(CAST({listed} AS json))"

    def visit_group_concat_func(self, function: Any, **options: Any) -> str:
        return f"string_agg({self.process(function.clause_expr, **options)}, ',')"

    def visit_like_op_binary(self, binary: Any, operator: Any, **options: Any) -> str:
        return self.visit_ilike_op_binary(binary, operator, **options)  # type: ignore[no-any-return, no-untyped-call]

    def visit_custom_op_binary(self, element: Any, operator: Any, **options: Any) -> str:
        if operator.opstring != "GLOB":
            return super().visit_custom_op_binary(element, operator, **options)  # type: ignore[no-any-return, no-untyped-call]
        left, right = (self.process(part, **options) for part in (element.left, element.right))
        return f"{left} ~ replace({right}, '*', '')"  # of the patterns `*[…]*`, which say that a character is in it

    def order_by_clause(self, select: Any, **options: Any) -> str:
        terms = [self.process(_placed(term), **options) for term in select._order_by_clause.clauses]
        return f" ORDER BY {', '.join(terms)}" if terms else ""


def _placed(term: Any) -> Any:
    """The term with its nulls as the least. A key has none: its index is as the server makes it."""
    modifier = getattr(term, "modifier", None)
    column = term.element if modifier is operators.desc_op else term
    if modifier in _PLACED or getattr(column, "name", "") == "_key":
        return term
    return sa.nulls_last(term) if modifier is operators.desc_op else sa.nulls_first(term)


class _Tables(PGDDLCompiler):
    """Nulls are the smallest in an index too, as in `sql.order_by`: by its own rule the server would have them last."""

    def visit_create_index(self, create: Any, *_: Any, **__: Any) -> str:
        index, parts = create.element, []
        for part in index.expressions:
            column = part.element if isinstance(part, sa.UnaryExpression) else part
            way = "" if column.name == "_key" else " DESC NULLS LAST" if column is not part else " NULLS FIRST"
            parts.append(f'"{column.name}"{way}')
        words = "UNIQUE INDEX" if index.unique else "INDEX"
        missing = "IF NOT EXISTS " if create.if_not_exists else ""
        return f'CREATE {words} {missing}"{index.name}" ON "{index.table.name}" ({", ".join(parts)})'


class _Dialect(PGDialect):
    statement_compiler = _Compiler
    ddl_compiler = _Tables
    supports_statement_cache = True


def dialect() -> sa.Dialect:
    """PostgreSQL's dialect, with a `?` for each value."""
    return _Dialect(paramstyle="qmark")  # type: ignore[no-untyped-call]
