"""Columns that several stores share: their types by name, inferring them, and fitting rows to them."""

from penstock.stores.columns.conform import Conformed, conform
from penstock.stores.columns.infer import EXACT_INTEGERS, JSON_FITS, exact, infer, infer_texts, json_text, losing, record_batch, widened
from penstock.stores.columns.plain import plain
from penstock.stores.columns.texts import parse
from penstock.stores.columns.types import UnknownType, is_json, json_field, named, said
from penstock.stores.columns.written import as_text, unsayable, without

__all__ = [
    "EXACT_INTEGERS",
    "JSON_FITS",
    "Conformed",
    "UnknownType",
    "as_text",
    "conform",
    "exact",
    "infer",
    "infer_texts",
    "is_json",
    "json_field",
    "json_text",
    "losing",
    "named",
    "parse",
    "plain",
    "record_batch",
    "said",
    "unsayable",
    "widened",
    "without",
]
