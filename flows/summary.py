"""What a finished run says of itself in Prefect: its state, a sentence, a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from flows.render import counted, markdown
from schemas.records import Replayed, RunReport
from tasks.postgres.quarantine import QuarantineCount, listed


def sentence(report: RunReport) -> str:
    """What there is to say of the run, then the counts an operator looks for, in one line."""
    counts = report.counts.as_dict()
    read = counts.pop("read")
    said = report.message.rstrip(".")
    if report.state == "interrupted" and not read:
        return f"{said} before a batch was loaded."
    outcomes = ", ".join(f"{count} {word.replace('_', '-')}" for word, count in counts.items())
    nothing = "Nothing loaded" if report.state == "failed" else "Nothing new"
    known = f"{nothing}, {counted(report.skipped, 'part', 'parts')} known."
    done = f"{counted(read, 'page', 'pages')} read: {outcomes}." if read else known
    return f"{said}. {done}" if said else done


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
        {"what": word, "count": f"{count:,}", "share": f"{count / read:.1%}" if read else ""}
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
    table += [{"what": word, "count": f"{count:,}", "share": ""} for word, count in beside.items()]
    speed = report.counts.read / report.seconds if report.seconds else 0.0
    table.append({"what": "read a second", "count": f"{speed:,.1f}", "share": ""})
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


def notes(
    *,
    again: Replayed | None,
    gone: Mapping[int, str],
    failed: bool,
    unavailable: int,
    unmatched: int,
    passed_over: Mapping[str, int],
    misdated: int,
    quarantined: int,
    entries: int,
    waiting: int,
    unkept: int,
) -> str:
    """What else there is to say of a run, in sentences.

    Args:
        again: what became of quarantined entries that were to be tried again.
        gone: those of them that gave nothing to try, and why.
        failed: whether the run failed.
        unavailable: stored pages that were to be read again, and whose bytes are gone.
        unmatched: inputs of which the path pattern says nothing.
        passed_over: what lay among the inputs and is none, see `PassedOver`.
        misdated: pages whose stated fetch time is none.
        quarantined: pages that were quarantined.
        entries: how many entries they are.
        waiting: pages that wait in quarantine, to be told.
        unkept: parts that were to be kept and, known already, were not read.
    """
    said = []
    if again:
        said.append(_replayed(again, gone, "the run failed" if failed else "behind the limit, or left out"))
    if unavailable:
        pages = counted(unavailable, "page is", "pages are")
        said.append(f"{pages} unavailable: the bytes are gone.")
    if unmatched:
        inputs = counted(unmatched, "input says", "inputs say")
        said.append(f"{inputs} nothing by the path pattern, which does not match.")
    if passed_over:
        said.append(_passed_over(passed_over))
    if misdated:
        pages = counted(misdated, "page states", "pages state")
        said.append(f"{pages} a fetch time that cannot be understood; it counts as unknown.")
    if entries < quarantined:
        said.append(
            f"The {quarantined:,} quarantined pages are {counted(entries, 'entry', 'entries')}: "
            "those with equal bytes, URL and fetch time share one."
        )
    if unkept:
        parts = counted(unkept, "known part was", "known parts were")
        said.append(f"{parts} not read: pages there are kept only if they were before.")
    if waiting:
        wait = counted(waiting, "page waits", "pages wait")
        said.append(f"{wait} in quarantine: broadsheet quarantine list.")
    return " ".join(said)


def _replayed(again: Replayed, gone: Mapping[int, str], why_waiting: str) -> str:
    """What became of quarantined entries that were tried again, with their ids."""
    outcomes: dict[str, list[int]] = {
        "loaded": [*again.loaded],
        "failed again": sorted({*again.failed}.difference(again.dismissed)),
        "failed again, dismissed as before": [*again.dismissed],
    }
    for number in again.unavailable:
        outcomes.setdefault(gone[number], []).append(number)
    outcomes[f"not tried, {why_waiting}"] = [*again.waiting]
    tried = sum(map(len, outcomes.values()))
    if tried == 1:
        [(word, number)] = [(word, ids[0]) for word, ids in outcomes.items() if ids]
        return f"Quarantined entry {number}: {word}."
    said = [f"{len(ids):,} {word} ({listed(ids)})" for word, ids in outcomes.items() if ids]
    return f"Of {tried:,} quarantined entries {', '.join(said)}."


def _passed_over(counts: Mapping[str, int]) -> str:
    """How much of what was found is no input, and what it is."""
    kinds = Counter({kind: count for kind, count in counts.items() if kind[:1] in ("", ".")})
    said = []
    if kinds:
        shown = [kind or "no suffix" for kind, _ in kinds.most_common(KINDS_NAMED)]
        more = ", …" if len(kinds) > KINDS_NAMED else ""
        said.append(f"{kinds.total():,} of unknown kind ({', '.join(shown)}{more})")
    words = sorted(counts.keys() - kinds.keys())
    said += [counted(counts[word], word, PLURALS.get(word, f"{word}s")) for word in words]
    return f"{counted(sum(counts.values()), 'entry is', 'entries are')} no input: {', '.join(said)}."


KINDS_NAMED = 5
PLURALS = {"link leading outside": "links leading outside"}
