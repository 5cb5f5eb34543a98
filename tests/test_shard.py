import pytest

from flawsmith.data.errors import UsageError
from flawsmith.gan.production.shard import Shard

SLURM = {"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_MIN": "4", "SLURM_ARRAY_TASK_COUNT": "3"}


@pytest.mark.parametrize(
    ("text", "environment", "number", "count"),
    [
        ("2/8", {}, 2, 8),
        ("2/8", SLURM, 2, 8),
        ("auto", SLURM, 2, 3),
        ("auto", {"AWS_BATCH_JOB_ARRAY_INDEX": "0", "AWS_BATCH_JOB_ARRAY_SIZE": "4"}, 1, 4),
        ("auto/8", {"JOB_COMPLETION_INDEX": "7"}, 8, 8),
    ],
)
def test_the_shard_is_given_or_taken_from_the_job_array(
    text: str, environment: dict[str, str], number: int, count: int
) -> None:
    assert Shard.parse(text, environment) == Shard(number, count)


@pytest.mark.parametrize(
    ("text", "environment", "message"),
    [
        ("0/3", {}, "I from 1 to N; found 0/3"),
        ("4/3", {}, "I from 1 to N; found 4/3"),
        ("two/3", {}, "whole numbers; found 'two'"),
        ("3", {}, "whole numbers; found ''"),
        ("auto", {}, "auto needs a job array"),
        ("auto", {"JOB_COMPLETION_INDEX": "0"}, "does not say how many jobs there are; found auto; give auto/N"),
        ("auto/4", {"JOB_COMPLETION_INDEX": "4"}, "I from 1 to N; found 5/4"),
        ("auto/4", {"JOB_COMPLETION_INDEX": "x"}, "whole numbers; found 'x' of JOB_COMPLETION_INDEX"),
    ],
)
def test_what_is_no_shard_is_refused(text: str, environment: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Shard.parse(text, environment)
