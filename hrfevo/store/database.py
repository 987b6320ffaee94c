"""Databases of results: their addresses, how they are opened, and the schema they must have."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from hrfevo.store import schema
from signal_model.support.errors import InputError, one_line
from signal_model.support.plugins import command

MIGRATIONS = Path(__file__).parent / "migrations"
# So often a database is made, if another process makes it at the same time.
ATTEMPTS = 5
# What stood in a database before Alembic counted its revisions.
FORMER_VERSION, FORMER_REVISION = "schema_version", "0001"


def sqlite_url(path: Path) -> str:
    """The address of a SQLite file."""
    return str(sa.URL.create("sqlite", database=str(path)))


def sqlite_file(url: str) -> Path | None:
    """The file of such an address, None of another database's."""
    full = sa.make_url(url)
    return Path(full.database or "") if full.get_backend_name() == "sqlite" else None


# What libpq takes from the query of an address and nobody else may read.
_SECRETS = ("password", "sslpassword")
_ACCEPTED = "sqlite:///PATH or postgresql+psycopg://…"


def without_password(url: str) -> str:
    """An address as it may be written down: no passwords, no relative path.

    Raises InputError if it is none, or of a database in memory.
    """
    try:
        full = _parsed(url)
    except ValueError:
        raise InputError(f"store {url!r}: is no database address; accepted: {_ACCEPTED}") from None
    database = full.database
    if full.get_backend_name() == "sqlite":
        if not database or database == ":memory:":
            raise InputError(f"store {url}: forgets everything at the end; accepted: sqlite:///PATH")
        database = str(Path(database).absolute())  # means the same from any folder
    bare = sa.URL.create(full.drivername, full.username, None, full.host, full.port, database, full.query)
    return bare.difference_update_query(_SECRETS).render_as_string(hide_password=False)


def _parsed(url: str) -> sa.URL:
    """Raises ValueError if it is none."""
    try:
        return sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise ValueError(str(error)) from None


# Of libpq, where the address says nothing else: a line that has gone silent is noticed in half a minute (the last
# one counts milliseconds).
_LINE = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
# Of the server, seconds: a process that was killed, or whose machine is gone, may have left a transaction open, and
# what it locked is free again before the one that goes on gives up waiting.
IDLE_TRANSACTION, LOCK = 30.0, 60.0

# SQLite's own words for what is damaged may quote what is no text, and drivers refuse options by Python's errors.
UNREADABLE = (sa.exc.SQLAlchemyError, ValueError, TypeError)


def reason(error: Exception) -> str:
    """What the database said, in a line, without the statement that it said it to."""
    return one_line(getattr(error, "orig", None) or error)


def open_database(url: str, create: bool) -> sa.Engine:
    """A database with the tables of `schema`, made if they are missing and it may `create` them.

    Raises InputError if it cannot be opened or has another schema.
    """
    engine = _engine(url, create)
    try:
        revision = _made(engine) if create else _revision(engine)
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError(f"store {_shown(url)}: {reason(error)}") from None
    if revision is None:
        raise InputError(f"store {_shown(url)}: has no results in it")
    if revision != schema.REVISION:
        raise InputError(
            f"store {_shown(url)}: has schema revision {revision!r}, this hrfevo reads {schema.REVISION!r}; "
            f"bring an older one up to date with: {command('hrfevo', 'migrate', _shown(url))}"
        )
    return engine


def identity(engine: sa.Engine) -> tuple[int, int] | None:
    """Which file on this machine a database is now; None if none."""
    if engine.dialect.name != "sqlite":
        return None
    try:
        found = os.stat(engine.url.database or "")
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def writing_ahead(engine: sa.Engine) -> Iterator[None]:
    """While a search writes to a SQLite file, its readers do not block it. Afterwards all is in the one file, which
    is then read where nobody may write, too. Other databases are as they are.

    Raises InputError if the file may not be written.
    """
    if engine.dialect.name != "sqlite":
        yield
        return
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    except sa.exc.DBAPIError as error:
        raise InputError(f"store {_shown(engine.url)}: {reason(error)}") from None
    began_in = identity(engine)
    try:
        yield
    finally:
        engine.dispose()
        if identity(engine) == began_in:
            _settle(engine)


def _settle(engine: sa.Engine) -> None:
    """Take the log of a file into it, unless others are at it: they then go on with the log."""
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=DELETE")
    except sa.exc.OperationalError:
        return  # whoever opens it reads the log, as until now


def migrate(url: str) -> tuple[str, str]:
    """Bring a database to the schema of today; returns its revision before and after.

    Raises InputError if it cannot be opened, holds no results or was made by a newer hrfevo.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    engine = _engine(url, create=False)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    try:
        before = _revision(engine)
        if before is None:
            raise InputError(f"store {_shown(url)}: has no results in it")
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            if not sa.inspect(connection).has_table(schema.alembic_version.name):
                command.stamp(config, before)
            command.upgrade(config, "head")
    except CommandError as error:
        raise InputError(f"store {_shown(url)}: was made by another hrfevo: {one_line(error)}") from None
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError(f"store {_shown(url)}: {reason(error)}") from None
    finally:
        engine.dispose()
    return before, schema.REVISION


def _engine(url: str, create: bool) -> sa.Engine:
    try:
        bare = _parsed(url)
        line = _LINE if bare.get_driver_name() in ("psycopg", "psycopg2") else {}
        given: dict[str, Any] = {"connect_args": {key: line[key] for key in line.keys() - bare.query.keys()}}
        if not create and bare.get_backend_name() == "sqlite" and _is_at_rest(Path(bare.database or "")):
            given = {"creator": partial(_as_it_lies, Path(bare.database or ""))}
        engine = sa.create_engine(bare, **given)
    except (ValueError, sa.exc.ArgumentError, ModuleNotFoundError) as error:
        raise InputError(f"store {_shown(url)}: {one_line(error)}; accepted: {_ACCEPTED}") from None
    if engine.dialect.is_async:
        raise InputError(f"store {_shown(url)}: {engine.driver} is asynchronous; accepted: {_ACCEPTED}")
    if engine.dialect.name == "sqlite":
        if not create and not Path(engine.url.database or "").exists():  # SQLite would make the file
            raise InputError(f"store {_shown(url)}: no such file")
        event.listen(engine, "connect", _prepare_sqlite)
    if engine.dialect.name == "postgresql":
        event.listen(engine, "connect", _prepare_postgresql)
    return engine


def _made(engine: sa.Engine) -> str | None:
    """The revision of a database that has tables now, whoever made them."""
    for attempt in range(ATTEMPTS):
        if (revision := _revision(engine)) is not None:
            return revision
        others = set(sa.inspect(engine).get_table_names()) & set(schema.metadata.tables)
        if others and _revision(engine) is None:  # not made by another process just now
            raise InputError(
                f"store {_shown(engine.url)}: belongs to another program, which has a table {min(others)!r} too; "
                "give the search a database of its own"
            )
        try:
            with engine.begin() as connection:
                if engine.dialect.name == "sqlite":
                    connection.exec_driver_sql("BEGIN IMMEDIATE")  # its tables are made one by one otherwise
                schema.metadata.create_all(connection)
                connection.execute(schema.alembic_version.insert().values(version_num=schema.REVISION))
        except sa.exc.DatabaseError:
            if attempt + 1 == ATTEMPTS:
                raise
    return _revision(engine)


def _revision(engine: sa.Engine) -> str | None:
    """Which schema a database has; None if none of ours."""
    with engine.connect() as connection:
        tables = sa.inspect(connection)
        if tables.has_table(schema.alembic_version.name):
            return connection.scalar(sa.select(schema.alembic_version.c.version_num))
        return FORMER_REVISION if tables.has_table(FORMER_VERSION) else None


def _is_at_rest(file: Path) -> bool:
    """Whether SQLite could not open a file because it may not make a log beside it, though there is none to read."""
    if all(
        os.access(place, os.W_OK, effective_ids=os.access in os.supports_effective_ids) for place in (file, file.parent)
    ):
        return False
    try:
        with file.open("rb") as opened:
            versions = opened.read(20)[18:]  # of the file format, to write and to read it: 2 where there may be a log
    except OSError:
        return False  # SQLite says it in its own words
    return versions == b"\2\2" and not Path(f"{file}-wal").exists()


def _as_it_lies(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.absolute().as_uri()}?immutable=1", uri=True, check_same_thread=False)


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # A killed process loses nothing, a power cut at most the last commits. The time to wait for others comes
    # first: another process may be recovering the log of a killed one right now.
    cursor = connection.cursor()
    for pragma in ("busy_timeout=30000", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _prepare_postgresql(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    cursor.execute(f"SET idle_in_transaction_session_timeout = {1000 * IDLE_TRANSACTION:.0f}")
    cursor.execute(f"SET lock_timeout = {1000 * LOCK:.0f}")
    cursor.close()
    connection.commit()


def _shown(url: str | sa.URL) -> str:
    try:
        full = sa.make_url(url).difference_update_query(_SECRETS)
    except (ValueError, sa.exc.ArgumentError):
        return repr(url)
    return full.render_as_string(hide_password=True)
