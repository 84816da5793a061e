"""Which model answered which part of a job, where an endpoint's model changed meanwhile.

A batch is answered up to a day after it was submitted, perhaps by another model under the same
name. The canary in it tells. Its vectors are then kept in the Space of the model that made them,
and the job goes on with the model that is there now.
"""

from __future__ import annotations

from dataclasses import replace

from veclab.cache import Cache
from veclab.models.openai.batch.job_folder import Failure, JobFolder, Part
from veclab.models.openai.batch.progress import absent, recipe_of
from veclab.models.openai.canary import Canary
from veclab.space import Recipe

ANOTHER = "another_model"


def made_by(recipe: Recipe, part: Part) -> Recipe:
    """Return the recipe of a part's vectors: that of the model which answered it."""
    if part.canary is None:
        return recipe
    space = replace(recipe.space, generation=part.generation, canary=part.canary)
    return replace(recipe, space=space)


def recipes(folder: JobFolder) -> list[Recipe]:
    """Return the job's recipe and those of all models that answered parts of it, each once."""
    own = recipe_of(folder)
    made = [own, *(made_by(own, part) for part in folder.manifest.parts)]
    return list({recipe.whole_key: recipe for recipe in made}.values())


def answered_by_another(folder: JobFolder) -> bool:
    """Return whether a part was answered by another model than the job's vectors are of."""
    return len(recipes(folder)) > 1


def settle_generations(folder: JobFolder, cache: Cache, canary: Canary) -> list[str]:
    """Let the job go on with the model that is there now; what another one answered lacks a vector.

    Its answers are in the cache, in that model's Space: they were paid for. Returns notes.
    """
    before = recipe_of(folder)
    now = replace(before, space=replace(before.space, **canary.facts))
    if now != before:
        folder.manifest.recipe = now.to_json()
        folder.save()
    notes = []
    for part in folder.manifest.parts:
        if not part.read:
            continue
        if part.canary is None:
            notes.append(
                f"which model answered {part.batch_id} is not known: it holds no answer to the "
                "fixed short texts that tell"
            )
        elif made_by(now, part).whole_key != now.whole_key:
            notes += _left_to_ask(folder, cache, now, part, canary)
    return notes


def _left_to_ask(
    folder: JobFolder, cache: Cache, now: Recipe, part: Part, canary: Canary
) -> list[str]:
    lost = absent(cache, now, list(folder.inputs(part.name)))
    if not lost:
        return []
    reason = (
        f"{part.batch_id} was answered by another model under the name {canary.model} than "
        f"{canary.url} has now"
    )
    failures = {failure.digest: failure for failure in folder.failures(part.name)}
    for one in lost:
        new = Failure(one.digest, one.id, ANOTHER, reason, False)
        failures.setdefault(one.digest, new)
    folder.write_failures(part.name, failures.values())
    folder.update(replace(part, unanswered=len(failures)))
    return [
        f"{reason}. Its vectors are in the cache, in that model's Space, and cannot be compared "
        f"with those of the model that is there now: veclab batch submit --job {folder.path} asks "
        f"that one for {len(lost):,} inputs"
    ]
