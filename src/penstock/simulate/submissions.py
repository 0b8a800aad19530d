"""Submissions: a few attempts for each key, failed ones count, and what was submitted is kept."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING
from uuid import UUID

from penstock.simulate.http import Answer, ApiError, Request, json_answer

if TYPE_CHECKING:
    from penstock.simulate.listing import Clock
    from penstock.simulate.settings import DataSyncSettings

PATH = "/api/v1/submissions"


@dataclass(frozen=True, slots=True)
class Submission:
    """What somebody submitted: the lines as they came."""

    repository: str
    lines: tuple[bytes, ...]


class Submissions:
    """Counts attempts, and keeps the good ones; the time to submit runs from the first request with the key."""

    def __init__(self, settings: DataSyncSettings, clock: Clock) -> None:
        self._allowed = settings.submissions
        self._failing = settings.submissions_failing
        self._clock = clock
        self._ids = Random(f"{settings.seed} submissions")
        self.key_used_at: float | None = None
        self.attempts = 0
        self.kept: list[Submission] = []

    @property
    def remaining(self) -> int:
        """Attempts that are left."""
        return max(0, self._allowed - self.attempts)

    def all(self) -> Answer:
        """What was submitted so far."""
        kept = [
            {"submissionNumber": at, "eventCount": len(one.lines), "githubRepoUrl": one.repository} for at, one in enumerate(self.kept, 1)
        ]
        return json_answer(200, {"data": kept, "meta": {"remainingSubmissions": self.remaining}})

    def submit(self, request: Request) -> Answer:
        """One attempt."""
        if not self.remaining:
            raise ApiError(403, "Forbidden", "SUBMISSION_LIMIT_REACHED", "No submissions remaining")
        self.attempts += 1
        if self.attempts <= self._failing:
            raise ApiError(500, "Internal Server Error", "INTERNAL_SERVER_ERROR", "Internal Server Error")
        submission = _read(request)
        self.kept.append(submission)
        return json_answer(200, self._receipt(submission))

    def _receipt(self, submission: Submission) -> dict[str, object]:
        now_s, count = self._clock.now(), len(submission.lines)
        data = {
            "submissionId": str(UUID(int=self._ids.getrandbits(128), version=4)),
            "eventCount": count,
            "githubRepoUrl": submission.repository,
            "submittedAt": datetime.fromtimestamp(now_s, UTC).isoformat(),
            "timeToSubmit": _duration(now_s - (self.key_used_at or now_s)),
            "submissionNumber": self.attempts,
            "remainingSubmissions": self.remaining,
        }
        message = f"Submission #{self.attempts} received with {count:,} event IDs. {self.remaining} submissions remaining."
        return {"success": True, "data": data, "message": message}


def _read(request: Request) -> Submission:
    """The text form, or the JSON form."""
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            fields = json.loads(request.body)
            repository, text = str(fields["githubRepoUrl"]), str(fields["ids"]).encode()
        except (ValueError, TypeError, KeyError) as error:
            raise ApiError(400, "Bad Request", "INVALID_BODY", "The body is not what it should be") from error
    elif request.headers.get("content-type", "").startswith("text/plain"):
        repository, text = request.query.get("github_repo", ""), request.body
    else:
        raise ApiError(415, "Unsupported Media Type", "UNSUPPORTED_MEDIA_TYPE", "text/plain or application/json")
    if not repository.startswith(("http://", "https://")):
        raise ApiError(400, "Bad Request", "MISSING_REPOSITORY", "github_repo has to be the address of a repository")
    lines = tuple(line for line in text.splitlines() if line)
    if not lines:
        raise ApiError(400, "Bad Request", "NO_IDS", "There are no event ids in it")
    return Submission(repository, lines)


def _duration(seconds: float) -> dict[str, object]:
    minutes, rest = divmod(int(seconds), 60)
    return {"ms": int(seconds * 1000), "seconds": int(seconds), "minutes": round(seconds / 60, 1), "formatted": f"{minutes}m {rest}s"}
