-- Version 1. Times are nanoseconds since 1970, 0 for none. Lists and maps are JSON.

CREATE TABLE sync (
  addr   TEXT PRIMARY KEY,
  memory TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE owed (
  sync   TEXT NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (sync, reason)
) WITHOUT ROWID;

CREATE TABLE run (
  seq      INTEGER PRIMARY KEY AUTOINCREMENT,
  id       TEXT NOT NULL UNIQUE,
  sync     TEXT NOT NULL,
  mode     TEXT NOT NULL,
  reasons  TEXT NOT NULL,
  fence    INTEGER NOT NULL,
  started  INTEGER NOT NULL,
  ended    INTEGER NOT NULL DEFAULT 0,
  outcome  TEXT NOT NULL DEFAULT '',
  counts   TEXT NOT NULL DEFAULT '{}',
  failures INTEGER NOT NULL DEFAULT 0,
  fresh    INTEGER NOT NULL DEFAULT 0,
  message  TEXT NOT NULL DEFAULT ''
);
CREATE INDEX run_of_sync ON run (sync, seq);
CREATE INDEX full_run_of_sync ON run (sync, seq) WHERE mode = 'full' AND outcome IN ('clean', 'faulty');

-- A batch with a checkpoint is kept until its run ends, so that it counts once.
CREATE TABLE batch (
  sync TEXT NOT NULL,
  run  INTEGER NOT NULL,
  seq  INTEGER NOT NULL,
  id   TEXT NOT NULL, -- of the run
  part TEXT NOT NULL,
  verb TEXT NOT NULL,
  keys TEXT NOT NULL,
  at   INTEGER NOT NULL,
  done INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (sync, run, seq)
) WITHOUT ROWID;

CREATE TABLE failure (
  sync     TEXT NOT NULL,
  part     TEXT NOT NULL,
  key      TEXT NOT NULL,
  title    TEXT NOT NULL,
  kind     TEXT NOT NULL,
  message  TEXT NOT NULL,
  cause    TEXT NOT NULL,
  first    INTEGER NOT NULL,
  last     INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  first_run INTEGER NOT NULL,
  last_run  INTEGER NOT NULL,
  id       TEXT NOT NULL, -- of the last run
  PRIMARY KEY (sync, part, key)
) WITHOUT ROWID;

-- A lease that was given up keeps its fence.
CREATE TABLE lease (
  sync    TEXT PRIMARY KEY,
  fence   INTEGER NOT NULL,
  holder  TEXT NOT NULL,
  alive   TEXT NOT NULL, -- name of the holder's file in alive/; '' when given up
  expires INTEGER NOT NULL
) WITHOUT ROWID;
