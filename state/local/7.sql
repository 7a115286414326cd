-- Version 7: who asked to be told nothing for a while (CONN-6).
CREATE TABLE quiet (
  target TEXT PRIMARY KEY,
  until  INTEGER NOT NULL
) WITHOUT ROWID;
