"""The record that the job of one side writes for the job that compares: how the side came about."""

from pathlib import Path
from typing import TypeVar

from trace_audit.core.documents import Document, Run, Sha256, read_document

Model = TypeVar("Model", bound=Document)


class SideRecord(Run):
    """`run.json`: how one side came about. `image`: the form of its image by its ending, None without one."""

    name: str
    form: str
    image: str | None = None
    image_sha256: Sha256 | None = None
    input_sha256: dict[str, Sha256] = {}

    def data(self) -> dict[str, object]:
        """What is known, JSON-ready."""
        return self.model_dump(mode="json", exclude_unset=True)


def read_record(path: Path, what: str, model: type[Model]) -> Model:
    """The record in a file. Raises InputError for one of another form."""
    return model.model_validate(read_document(path, what, model))
