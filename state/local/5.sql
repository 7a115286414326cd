-- Version 5: references without a match, and the items that have them (RULE-2).
CREATE TABLE unmatched (
  sync      TEXT NOT NULL,
  id        TEXT NOT NULL, -- digest of the reference
  reference TEXT NOT NULL,
  PRIMARY KEY (sync, id)
) WITHOUT ROWID;

CREATE TABLE referring (
  sync TEXT NOT NULL,
  id   TEXT NOT NULL, -- of unmatched
  part TEXT NOT NULL,
  key  TEXT NOT NULL,
  run  INTEGER NOT NULL, -- the last that met it
  PRIMARY KEY (sync, id, part, key)
) WITHOUT ROWID;
