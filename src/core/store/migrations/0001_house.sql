-- Times are milliseconds since 1970, UTC. A row's number is never given twice (AUTOINCREMENT):
-- cgroups, subvolumes and audit rows refer to it after the row is gone.

CREATE TABLE house (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    generation   INTEGER NOT NULL,
    zone_serial  INTEGER NOT NULL,
    -- What was given out last, so that the next one is as far as can be from being reused.
    last_address TEXT,
    last_uids    INTEGER,
    last_port    INTEGER
) STRICT;
INSERT INTO house (id, generation, zone_serial) VALUES (1, 1, 1);

CREATE TABLE account (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    login         TEXT    NOT NULL UNIQUE,
    email         TEXT    NOT NULL UNIQUE COLLATE NOCASE,
    password_hash TEXT    NOT NULL,
    max_rooms     INTEGER NOT NULL,
    created_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE session (
    token_sha256 BLOB    NOT NULL PRIMARY KEY CHECK (length(token_sha256) = 32),
    account      INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    expires_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_account ON session (account);
CREATE INDEX session_expires ON session (expires_at);

-- Outlives the versions, so that a number is never given twice.
CREATE TABLE template_name (
    name         TEXT    NOT NULL PRIMARY KEY,
    last_version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE template (
    name     TEXT    NOT NULL REFERENCES template_name (name),
    version  INTEGER NOT NULL,
    size     INTEGER NOT NULL,
    built_at INTEGER NOT NULL,
    PRIMARY KEY (name, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE room (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT    NOT NULL UNIQUE,
    owner       INTEGER NOT NULL REFERENCES account (id),
    template    TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    wanted      TEXT    NOT NULL CHECK (wanted IN ('running', 'stopped', 'archived', 'destroyed')),
    generation  INTEGER NOT NULL,
    problem     TEXT,
    address     TEXT    NOT NULL UNIQUE,
    uids        INTEGER NOT NULL UNIQUE,
    memory      INTEGER NOT NULL,
    cpu_millis  INTEGER NOT NULL,
    pids        INTEGER NOT NULL,
    disk        INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    archived_at INTEGER,
    FOREIGN KEY (template, version) REFERENCES template (name, version),
    CHECK ((wanted = 'archived') = (archived_at IS NOT NULL))
) STRICT;
CREATE INDEX room_owner ON room (owner);
CREATE INDEX room_template ON room (template, version);

CREATE TABLE port (
    id        INTEGER PRIMARY KEY,
    room      INTEGER NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    protocol  TEXT    NOT NULL CHECK (protocol IN ('tcp', 'udp')),
    public    INTEGER NOT NULL,
    room_port INTEGER NOT NULL,
    UNIQUE (protocol, public),
    UNIQUE (room, protocol, room_port)
) STRICT;

CREATE TABLE ssh_key (
    id          INTEGER PRIMARY KEY,
    room        INTEGER NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    fingerprint TEXT    NOT NULL,
    line        TEXT    NOT NULL,
    UNIQUE (room, fingerprint)
) STRICT;

-- `room` refers to no row: a job outlives its room and keeps its name in `object`.
CREATE TABLE job (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    room        INTEGER,
    kind        TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('running', 'done', 'failed', 'superseded')),
    object      TEXT    NOT NULL,
    accepted_at INTEGER NOT NULL,
    finished_at INTEGER,
    error       TEXT,
    CHECK ((state = 'running') = (finished_at IS NULL))
) STRICT;
CREATE INDEX job_room ON job (room, object, id);
CREATE INDEX job_open ON job (id) WHERE state = 'running';

CREATE TABLE step (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    job     INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    name    TEXT    NOT NULL,
    state   TEXT    NOT NULL,
    at_ms   REAL    NOT NULL,
    took_ms REAL    NOT NULL,
    detail  TEXT
) STRICT;
CREATE INDEX step_job ON step (job, id);

CREATE TABLE audit (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    actor  TEXT    NOT NULL,
    action TEXT    NOT NULL,
    object TEXT    NOT NULL,
    detail TEXT    NOT NULL,
    hash   BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX audit_object ON audit (object, seq);
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN SELECT raise(ABORT, 'audit rows are never changed'); END;
CREATE TRIGGER audit_is_not_cut BEFORE DELETE ON audit
BEGIN SELECT raise(ABORT, 'audit rows are never removed'); END;
