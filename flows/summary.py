"""What a finished run says of itself in Prefect: its state, a sentence, a table."""

from __future__ import annotations

from collections.abc import Sequence

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from flows.render import markdown
from schemas.records import Replayed, RunReport
from tasks.postgres.quarantine import QuarantineCount, listed


def sentence(report: RunReport) -> str:
    """The counts an operator looks for, in one line."""
    counts = report.counts.as_dict()
    read = counts.pop("read")
    outcomes = ", ".join(f"{count} {word.replace('_', '-')}" for word, count in counts.items())
    done = f"{read} pages read: {outcomes}" if read else f"nothing new, {report.skipped} parts known"
    return f"{report.message}; {done}" if report.message else done


def final_state(report: RunReport) -> State[None]:
    """Completed, Completed by the name of Partial, Failed, or Cancelled when a signal ended the run."""
    if report.state == "failed":
        return Failed(message=sentence(report))
    if report.state == "interrupted":
        return Cancelled(message=sentence(report))
    name = "Partial" if report.state == "partial" else "Completed"
    return Completed(name=name, message=sentence(report))


def rows(report: RunReport) -> list[dict[str, str]]:
    """The summary table: every outcome with its share of the pages read, then what lies beside the sum."""
    counts = report.counts.as_dict()
    read = counts["read"]
    table = [
        {"pages": word, "count": f"{count:,}", "share": f"{count / read:.1%}" if read else ""}
        for word, count in counts.items()
    ]
    beside = {
        "ignored": report.ignored,
        "skipped parts": report.skipped,
        "unavailable": report.unavailable,
        **{f"quarantined: {reason}": count for reason, count in sorted(report.quarantined_by_reason.items())},
        "sidebar headlines, new": report.headlines_new,
        "sidebar headlines, seen again": report.headlines_seen_again,
        "sightings": report.sightings,
    }
    table += [{"pages": word, "count": f"{count:,}", "share": ""} for word, count in beside.items()]
    speed = report.counts.read / report.seconds if report.seconds else 0.0
    table.append({"pages": "read a second", "count": f"{speed:,.1f}", "share": ""})
    return table


def quarantine_rows(run_id: int, reasons: Sequence[QuarantineCount]) -> list[dict[str, str]]:
    """What a run left in quarantine: a row for each reason, with one page and the commands about all."""
    return [
        {
            "reason": row.reason,
            "stage": row.stage,
            "waiting": f"{row.waiting:,}",
            "example": f"broadsheet quarantine show {row.example}",
            "origin": markdown(row.example_origin),  # Prefect reads cells as Markdown
            "list": f"broadsheet quarantine list --reason {row.reason} --run {run_id}",
            "replay": f"broadsheet quarantine replay --reason {row.reason} --run {run_id}",
        }
        for row in reasons
    ]


def replay_sentence(again: Replayed) -> str:
    """What became of quarantined entries that were tried again, with their ids."""
    outcomes = {
        "loaded": again.loaded,
        "failed again": again.failed,
        "gave no page to try": again.unavailable,
        "not tried or left out": again.waiting,
    }
    said = [f"{len(ids):,} {word} ({listed(ids)})" for word, ids in outcomes.items() if ids]
    return f"Of {sum(map(len, outcomes.values())):,} quarantined entries {', '.join(said)}."
