"""The one base class of the errors that a user can cause; the CLI prints these, and only these, as one line."""

from typing import Any


class UserError(Exception):
    """Something a user can mend: `where` (a file, folder or option), the broken rule, the value found, the fix."""

    exit_code = 1  # 1 bad data, 2 usage, 3 partly done

    def __init__(self, where: object, rule: str, found: object | None = None, fix: str | None = None) -> None:
        parts = [f"{where}: {rule}"]
        if found is not None:
            parts.append(f"found {found}")
        if fix is not None:
            parts.append(fix)
        super().__init__("; ".join(parts))
        self.where, self.rule, self.fix = str(where), rule, fix
        self.found = str(found) if isinstance(found, BaseException) else found  # itself it would hold all it has seen

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors go from one process to another: an exception is rebuilt from its message alone, unless told how."""
        return type(self), (self.where, self.rule, self.found, self.fix)


class UsageError(UserError):
    """Options that contradict each other or cannot be taken."""

    exit_code = 2


class Unstable(UserError):
    """A training whose losses stayed no numbers, or ran away, after every return to its last good state."""

    exit_code = 4


class PartlyDone(UserError):
    """Some items could not be made; the others are complete."""

    exit_code = 3
