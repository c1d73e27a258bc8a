"""The addresses of questions: whatever a run asks has one, for as long as the run is known.

Law: an address is made of the ids of the requirement and of its run, and of nothing else; nothing is kept to find it.

Source: `docs/interactions.md`, "Addresses".
"""

from __future__ import annotations

_SEPARATOR = "."  # no id of a requirement has one


def interaction_id(requirement_id: str, run_id: str) -> str:
    """The address of a requirement of a run."""
    return f"{requirement_id}{_SEPARATOR}{run_id}"


def ids_of(interaction: str) -> tuple[str, str]:
    """The ids of the requirement and of the run that an address is made of.

    Raises:
        ValueError: it is none.
    """
    requirement_id, separator, run_id = interaction.partition(_SEPARATOR)
    if not (requirement_id and separator and run_id):
        raise ValueError("an interaction's id has two parts")
    return requirement_id, run_id
