-- Version 3: the runs that somebody is to be told of (CONN-6), those that go on included.
CREATE TABLE untold (
  target   TEXT NOT NULL,
  run      INTEGER NOT NULL, -- its seq
  attempts INTEGER NOT NULL DEFAULT 0,
  next     INTEGER NOT NULL DEFAULT 0, -- nobody is told before
  PRIMARY KEY (target, run)
) WITHOUT ROWID;
