-- Version 7: who asked to be told nothing for a while (CONN-6).
CREATE TABLE quiet (
  target TEXT COLLATE "C" PRIMARY KEY,
  until  BIGINT NOT NULL
);
