-- Version 5: references without a match, and the items that have them (RULE-2).
CREATE TABLE unmatched (
  sync      TEXT COLLATE "C" NOT NULL,
  id        TEXT COLLATE "C" NOT NULL, -- digest of the reference
  reference TEXT NOT NULL,
  PRIMARY KEY (sync, id)
);

CREATE TABLE referring (
  sync TEXT COLLATE "C" NOT NULL,
  id   TEXT COLLATE "C" NOT NULL, -- of unmatched
  part TEXT COLLATE "C" NOT NULL,
  key  TEXT COLLATE "C" NOT NULL,
  run  BIGINT NOT NULL, -- the last that met it
  PRIMARY KEY (sync, id, part, key)
);
