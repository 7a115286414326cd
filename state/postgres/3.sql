-- Version 3: the runs that somebody is to be told of (CONN-6), those that go on included.
CREATE TABLE untold (
  target   TEXT COLLATE "C" NOT NULL,
  run      BIGINT NOT NULL, -- its seq
  attempts BIGINT NOT NULL DEFAULT 0,
  next     BIGINT NOT NULL DEFAULT 0, -- nobody is told before
  PRIMARY KEY (target, run)
);
