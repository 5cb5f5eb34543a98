"""What a training starts from other than random weights, and how much of that it may change."""

from dataclasses import dataclass

from flawsmith.data.errors import UsageError


@dataclass(frozen=True)
class Start:
    """A checkpoint to start from; its networks have levels, counted from the input."""

    init: str  # its folder; once opened, its name and the digest of its weights
    freeze: int = 0  # levels that do not learn at all (FreezeD, Mo et al. 2020)
    layer_decay: float = 1.0  # times the rate of the next level: what is general changes least (ULMFiT, Howard 2018)

    def __post_init__(self) -> None:
        if self.freeze < 0:
            raise UsageError("--freeze", "a number of levels, 0 or more", self.freeze)
        if not 0 < self.layer_decay <= 1:
            rule = "over 0 and at most 1, which is the same rate everywhere"
            raise UsageError("--layer-decay", rule, self.layer_decay)

    def refuse_deep(self, levels: int) -> None:
        """Raises UsageError where more levels are to be frozen than there are."""
        if self.freeze > levels:
            raise UsageError("--freeze", f"this network has {levels} levels", self.freeze, f"0 to {levels}")
