"""What answers look like, for the schema: drawn from the records, so that both are one."""

from typing import Annotated, Any, Final, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

from twinset.records import Answer
from twinset.server import intake

_INSIDE: Final = "vector"
"""What an answer holds in Python and never sends."""
_FIELDS: Final[dict[str, Any]] = {
    name: (hint, ...) for name, hint in get_type_hints(Answer).items() if name != _INSIDE
}
ANSWER: Final[type[BaseModel]] = create_model(
    "Answer", __doc__="All of one search: its hits, best first.", **_FIELDS
)

_BYTES: Final = {"type": "string", "format": "binary"}
_PHOTOS: Final = {"type": "array", "items": _BYTES, "minItems": 1}
_VALUE: Final = {"type": "string", "maxLength": 10_000}


def _form(**properties: Any) -> dict[str, Any]:
    return {
        "schema": {
            "type": "object",
            "required": [intake.PHOTO],
            "properties": {intake.PHOTO: _PHOTOS, **properties},
            "additionalProperties": False,
        },
        "encoding": {intake.PHOTO: {"contentType": "image/*"}},
    }


def _body(description: str, **content: Any) -> dict[str, Any]:
    return {"requestBody": {"required": True, "description": description, "content": content}}


PHOTO_BODY: Final = _body(
    "A photo (JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF; HEIC where the server has it), or several of one garment.",
    **{
        "image/*": {"schema": _BYTES},
        "application/octet-stream": {"schema": _BYTES},
        "multipart/form-data": _form(),
    },
)
ITEM_BODY: Final = _body(
    "All the item's photos, and its fields as a manifest's columns.",
    **{
        "multipart/form-data": _form(
            attributes={
                "type": "string",
                "description": "JSON: {field: value}, values as text.",
                "examples": ['{"category": "TOPS/Tee", "price": "19.90"}'],
            }
        )
    },
)
PATCH_BODY: Final = _body(
    "Fields by item: the value as text, or null to remove it.",
    **{
        "application/json": {
            "schema": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": {"anyOf": [_VALUE, {"type": "null"}]},
                },
                "examples": [{"item_1": {"price": "17.90", "sale": None}}],
            }
        }
    },
)


def _link(operation: str, description: str, body: Any = None, **parameters: str) -> dict[str, Any]:
    found = {"operationId": operation, "description": description, "parameters": parameters}
    return found if body is None else found | {"requestBody": body}


_HIT: Final = "$response.body#/hits/0"
_QUERY: Final = "$response.body#/query_id"
ANSWER_LINKS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "links": {
            "item": _link("item", "The first hit, whole.", item_id=f"{_HIT}/item_id"),
            "similar": _link("similar", "What is near to the first hit.", item_id=f"{_HIT}/item_id"),
            "photo": _link("photo", "The first hit's photo.", photo_id=f"{_HIT}/photo_id"),
            "feedback": _link(
                "feedback", "The first hit is right.", {"query_id": _QUERY, "positive": [f"{_HIT}/item_id"]}
            ),
            "events": _link(
                "events",
                "The first hit was clicked.",
                {"query_id": _QUERY, "item_id": f"{_HIT}/item_id", "position": 1, "kind": "click"},
            ),
        }
    }
}
"""What may be asked after an answer."""
ITEM_LINKS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "links": {
            name: _link(name, description, item_id="$request.path.item_id")
            for name, description in (
                ("item", "The item as it is now."),
                ("similar", "What is near to it."),
                ("delete_item", "Takes it away again."),
            )
        }
    }
}
"""What may be asked after an item was put."""


class Healthy(BaseModel):
    """The process answers."""

    ok: Literal[True]


class Ready(BaseModel):
    """Whether every catalogue has answered a real search, and which have not."""

    ready: bool
    waiting: list[str]


class Told(BaseModel):
    """What is told in JSON: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


QueryId = Annotated[
    str,
    Field(
        max_length=100,
        description="`query_id` of an answer.",
        examples=["0b0ee6b1-5f2f-4c8f-9d7e-2f3f6f1c1f10"],
    ),
]
