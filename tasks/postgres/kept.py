"""Which pages are kept, and where: the database's side of `--keep-pages`."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sqlalchemy import BigInteger, Connection, Engine, LargeBinary, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY, insert

from schemas.records import BatchResult, Page, Spooled
from schemas.tables import KeptFile, KeptPage, QuarantineEntry, StoredPage
from tasks.keep import KeptAt, Published, is_gone, read_kept
from tasks.postgres.errors import translated_errors
from tasks.postgres.patience import patient


@patient
def find_kept(engine: Engine, digests: Collection[bytes]) -> dict[bytes, KeptAt]:
    """Where the bytes with these digests are; those that are not kept are left out."""
    statement = (
        select(KeptPage.digest, KeptFile.uri, KeptPage.record_offset)
        .join(KeptFile)
        .where(KeptPage.digest == func.any(sorted(digests)))
    )
    with engine.connect() as connection:
        return {row.digest: KeptAt(row.uri, row.record_offset) for row in connection.execute(statement)}


def read_kept_pages(engine: Engine, digests: Collection[bytes]) -> Iterator[tuple[bytes, Page]]:
    """Yield (digest, page) for what is kept and can be read, one page in memory at a time.

    The page is the last capture of these bytes that was kept, without its origin.
    """
    return read_kept(find_kept(engine, digests))


def worth_keeping(engine: Engine, result: BatchResult) -> list[Spooled]:
    """The spooled pages of a batch, each once, without those that are known and whose bytes are kept still.

    Raises:
        TransientLoadError, LoadError: the database cannot be asked.
    """
    spooled = {record.key: record for record in result.spooled}
    with translated_errors(), engine.connect() as connection:
        known = {
            key
            for table in (StoredPage, QuarantineEntry)
            for key in connection.scalars(select(table.key).where(table.key == func.any(sorted(spooled))))
        }
        digests = sorted({record.digest for key, record in spooled.items() if key in known})
        files = (
            select(KeptPage.digest, KeptFile.uri).join(KeptFile).where(KeptPage.digest == func.any(digests))
        )
        places = connection.execute(files).all()
    gone = {uri for uri in {place.uri for place in places} if is_gone(uri)}
    kept = {place.digest for place in places if place.uri not in gone}
    return [record for key, record in spooled.items() if key not in known or record.digest not in kept]


def enter_kept(connection: Connection, published: Published) -> None:
    """Enter a file and the bytes it holds: they are looked for where they were kept last."""
    records = sorted(dict(published.records).items())
    file_id = connection.scalar(insert(KeptFile).values(uri=published.uri).returning(KeptFile.id))
    digests, offsets = zip(*records, strict=True)
    rows = select(
        func.unnest(literal(digests, ARRAY(LargeBinary))),
        func.unnest(literal(offsets, ARRAY(BigInteger))),
        literal(file_id),
    )
    place = insert(KeptPage)
    newer = {"record_offset": place.excluded.record_offset, "file_id": place.excluded.file_id}
    connection.execute(
        place.from_select(["digest", "record_offset", "file_id"], rows).on_conflict_do_update(
            index_elements=["digest"], set_=newer
        )
    )
