-- Version 1. Times are nanoseconds since 1970, 0 for none. Lists and maps are JSON.

-- Versions of the state; the one with the highest serial is the present one.
CREATE TABLE state (
  serial BIGINT PRIMARY KEY,
  saved  BIGINT NOT NULL,
  data   BYTEA NOT NULL
);

-- What was done since the present version was saved.
CREATE TABLE log (
  n    BIGINT PRIMARY KEY,
  data BYTEA NOT NULL
);

-- One row. Whoever changes the state holds it for the length of a transaction.
CREATE TABLE lock (
  id      TEXT NOT NULL, -- of the holder; '' for nobody
  holder  TEXT NOT NULL,
  expires BIGINT NOT NULL
);
INSERT INTO lock (id, holder, expires) VALUES ('', '', 0);

CREATE TABLE sync (
  addr   TEXT COLLATE "C" PRIMARY KEY,
  memory TEXT NOT NULL
);

CREATE TABLE owed (
  sync   TEXT COLLATE "C" NOT NULL,
  reason TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (sync, reason)
);

CREATE TABLE run (
  seq      BIGSERIAL PRIMARY KEY,
  id       TEXT NOT NULL UNIQUE,
  sync     TEXT COLLATE "C" NOT NULL,
  mode     TEXT NOT NULL,
  reasons  TEXT NOT NULL,
  fence    BIGINT NOT NULL,
  started  BIGINT NOT NULL,
  ended    BIGINT NOT NULL DEFAULT 0,
  outcome  TEXT NOT NULL DEFAULT '',
  counts   TEXT NOT NULL DEFAULT '{}',
  failures BIGINT NOT NULL DEFAULT 0,
  fresh    BIGINT NOT NULL DEFAULT 0,
  message  TEXT NOT NULL DEFAULT ''
);
CREATE INDEX run_of_sync ON run (sync, seq);
CREATE INDEX full_run_of_sync ON run (sync, seq) WHERE mode = 'full' AND outcome IN ('clean', 'faulty');

-- A batch with a checkpoint is kept until its run ends, so that it counts once.
CREATE TABLE batch (
  sync TEXT COLLATE "C" NOT NULL,
  run  BIGINT NOT NULL,
  seq  BIGINT NOT NULL,
  id   TEXT NOT NULL, -- of the run
  part TEXT NOT NULL,
  verb TEXT NOT NULL,
  keys TEXT NOT NULL,
  at   BIGINT NOT NULL,
  done INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (sync, run, seq)
);

CREATE TABLE failure (
  sync      TEXT COLLATE "C" NOT NULL,
  part      TEXT COLLATE "C" NOT NULL,
  key       TEXT COLLATE "C" NOT NULL,
  title     TEXT NOT NULL,
  kind      TEXT NOT NULL,
  message   TEXT NOT NULL,
  cause     TEXT NOT NULL,
  first     BIGINT NOT NULL,
  last      BIGINT NOT NULL,
  attempts  BIGINT NOT NULL,
  first_run BIGINT NOT NULL,
  last_run  BIGINT NOT NULL,
  id        TEXT NOT NULL, -- of the last run
  PRIMARY KEY (sync, part, key)
);

-- A lease that was given up keeps its fence.
CREATE TABLE lease (
  sync    TEXT COLLATE "C" PRIMARY KEY,
  fence   BIGINT NOT NULL,
  holder  TEXT NOT NULL,
  alive   TEXT NOT NULL, -- who took it; '' when given up
  expires BIGINT NOT NULL
);
