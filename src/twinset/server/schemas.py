"""What answers look like, for the schema: drawn from the records, so that both are one."""

from typing import Any, Final, get_type_hints

from pydantic import BaseModel, create_model

from twinset.records import Answer

_INSIDE: Final = "vector"
"""What an answer holds in Python and never sends."""
_FIELDS: Final[dict[str, Any]] = {
    name: (hint, ...) for name, hint in get_type_hints(Answer).items() if name != _INSIDE
}
ANSWER: Final[type[BaseModel]] = create_model("Answer", **_FIELDS)
