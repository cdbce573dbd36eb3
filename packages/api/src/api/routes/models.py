"""`GET /llm/models`: the aliases that the gateway serves."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.app_state import State
from api.llm.call import alias_of
from api.project import ReadableProject
from api.routes.openapi import FAILURES, UNNAMED

router = APIRouter(prefix="/llm", tags=["llm"], responses=FAILURES)


class Model(BaseModel):
    id: str
    default: bool = Field(description="answers when the request names no model")
    fallback: bool = Field(description="stands in when the requested model fails")
    thinking: bool = Field(description="thinks before it writes, and so has a floor for max_tokens")


class ModelList(BaseModel):
    models: list[Model]


@router.get("/models", openapi_extra=UNNAMED)
async def models(_: ReadableProject, state: State) -> ModelList:
    """The model aliases that the gateway serves."""
    settings = state.settings
    fallbacks = {alias_of(model) for model in settings.llm_fallback_models}
    return ModelList(
        models=[
            Model(
                id=alias,
                default=alias == alias_of(settings.llm_default_model),
                fallback=alias in fallbacks,
                thinking=alias in settings.thinking_aliases,
            )
            for alias in await state.gateway.models()
        ]
    )
