"""Models that a file, a store or a job names: what is loaded on its word alone.

Whoever wrote it chose the name. So it never decides what is fetched, nor where texts and a key are
sent: a model that is not on this machine, and an endpoint that was never used from it, need the
user's own word.
"""

from __future__ import annotations

from veclab.errors import ModelUnavailable
from veclab.models.names import ENDPOINTS
from veclab.space import Space


def named_model(
    space: Space, name: str | None = None, base_url: str | None = None
) -> tuple[str, str | None]:
    """Return the name and the base URL by which `veclab.load` gets the model of a Space.

    Args:
        space: as it was read.
        name: what was written beside it, where its own name does not tell (a folder).
        base_url: that the user gave.

    Raises:
        ModelUnavailable: loading it would fetch something, or use an endpoint that this user
            has never used.
    """
    if space.provider in ENDPOINTS:
        from veclab.models.openai.endpoint import SERVICES

        endpoint = space.endpoint or SERVICES[space.provider].url
        if base_url is None:
            require_used(endpoint, "these vectors come", space.provider)
        return f"{space.provider}:{space.model}", base_url or endpoint
    from veclab.models.catalog import is_here
    from veclab.models.providers import OWN, installed

    if space.provider not in OWN and space.provider in installed():
        whole = f"{space.provider}:{space.model}"
        raise ModelUnavailable(
            f"these vectors name the model {whole}, of a package, and no package's code is run on "
            f"the word of a file or a store. If you want it, name it yourself: -m {whole} "
            "(veclab.load)"
        )

    name = name or space.model
    if not is_here(name):
        raise ModelUnavailable(
            f"these vectors name the model {name!r}, which is not on this machine, and nothing is "
            "fetched on the word of a file or a store. If you want it, name it yourself: -m "
            f"{name} (veclab.load); `veclab models` lists what is here"
        )
    return name, base_url


def require_used(url: str, what: str, provider: str = "openai") -> None:
    """Do nothing where an endpoint is one that this user has used, or the one now in force.

    Args:
        url: normalized.
        what: names it, for the message: "these vectors come" (from it).
        provider: whose key would go there.

    Raises:
        ModelUnavailable: it is neither; whoever wrote it there would get the key.
    """
    from veclab.models.openai.endpoint import SERVICES, find_access, is_known

    service = SERVICES[provider]
    if not is_known(url) and find_access(service=service).url != url:
        raise ModelUnavailable(
            f"{what} from {url}, where you have not embedded anything yet. Your key would go "
            f"there; if that is right, say so: --base-url {url} (base_url=...), or set "
            f"{service.url_variable}"
        )
