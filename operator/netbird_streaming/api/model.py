"""The base of all values that the Kubernetes API stores."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """A frozen value of the Kubernetes API; unknown fields are a newer version's and are left alone."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True, cache_strings="keys"
    )
