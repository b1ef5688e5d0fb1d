"""Schemas with much of what each database has, as statements that each end a line."""

from __future__ import annotations

SQLITE = r"""
CREATE TABLE a (id integer PRIMARY KEY AUTOINCREMENT, t text DEFAULT 'x:y', b blob, r real, n int,
    g int GENERATED ALWAYS AS (n * 2) VIRTUAL);
CREATE TABLE b (id integer PRIMARY KEY, a_id REFERENCES a, c_id REFERENCES c);
CREATE TABLE c (id integer PRIMARY KEY, b_id int REFERENCES b) STRICT;
CREATE INDEX ix ON a (lower(t)) WHERE n > 3;
CREATE VIEW zz AS SELECT * FROM vv;
CREATE VIEW vv AS SELECT * FROM a;
CREATE TRIGGER tr AFTER INSERT ON a BEGIN UPDATE a SET n = 1 WHERE t = 'q;'; END;
CREATE VIRTUAL TABLE ft USING fts5(t);
INSERT INTO a (t, b, r, n) VALUES ('it''s %', x'00ff', 0.1, 3), (NULL, NULL, 1e300, NULL);
INSERT INTO b VALUES (1, 2, NULL);
CREATE TABLE no_key (x);
INSERT INTO no_key VALUES (2), (1), ('text'), (9e999), (-9e999), ('a' || char(0) || 'b'), (x'0062');
PRAGMA user_version = 7
"""
MARIADB = r"""
CREATE TABLE a (id int PRIMARY KEY AUTO_INCREMENT, t varchar(50) DEFAULT 'x:y' COMMENT 'it''s %', b blob, f float,
    d double, g int AS (id * 2) VIRTUAL, e enum('x', 'y'), s set('a', 'b'), j json, bi bit(3), dt datetime(3),
    de decimal(10, 3), bn binary(4), CHECK (d < 9));
CREATE TABLE b (id int PRIMARY KEY, a_id int, FOREIGN KEY (a_id) REFERENCES a (id), b_id int,
    FOREIGN KEY (b_id) REFERENCES b (id));
CREATE VIEW zz AS SELECT 1 AS one;
CREATE VIEW aa AS SELECT zz.one, a.t FROM zz, a WHERE a.t LIKE '%x';
CREATE SEQUENCE sq START WITH 5;
CREATE FUNCTION fn(a int) RETURNS int DETERMINISTIC RETURN a + 1;
CREATE PROCEDURE pr() BEGIN SELECT 1; SELECT '%'; END;
CREATE TRIGGER tr BEFORE INSERT ON b FOR EACH ROW BEGIN SET NEW.a_id = 1; END;
CREATE EVENT ev ON SCHEDULE EVERY 1 DAY DO SELECT 1;
CREATE INDEX ixt ON a (t(5));
CREATE TABLE noted (id int PRIMARY KEY AUTO_INCREMENT, at timestamp NOT NULL DEFAULT '2020-01-01 10:00:00')
    COMMENT 'one (more)';
INSERT INTO noted VALUES (5, '2020-06-01 10:00:00');
INSERT INTO a (t, b, f, d, e, s, j, bi, dt, de, bn) VALUES ('it''s \\ %s', x'00ff', 0.1, 0.1, 'x', 'a,b', '{"a": 1}',
    b'101', '2020-01-01 10:00:00.123', 1.5, 'ab'), (NULL, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO b VALUES (1, 1, NULL), (2, 1, 1)
"""
POSTGRESQL = r"""
CREATE SCHEMA audit;
CREATE TYPE mood AS ENUM ('ok', 'it''s');
CREATE TYPE pair AS (a int, b mood);
CREATE DOMAIN positive AS int DEFAULT 1 CONSTRAINT pos CHECK (VALUE > 0);
CREATE TYPE floats AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE FUNCTION slug(t text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT lower(t) || ':x' || '%' $$;
CREATE TABLE users (id serial PRIMARY KEY, name varchar(50) COLLATE "C" NOT NULL DEFAULT 'a:b', mood mood
    DEFAULT 'ok', moods mood[], age positive, slug text GENERATED ALWAYS AS (slug('x') || '%') STORED, "Odd
    ""col" int, p pair, fl floats);
CREATE TABLE "Order Items" (id bigint GENERATED ALWAYS AS IDENTITY (START 10), user_id int REFERENCES users
    ON DELETE CASCADE, qty int CHECK (qty > 0), parent_id bigint, PRIMARY KEY (id), EXCLUDE USING gist
    (int4range(0, qty) WITH &&));
ALTER TABLE "Order Items" ADD CONSTRAINT selfref FOREIGN KEY (parent_id) REFERENCES "Order Items" DEFERRABLE
    INITIALLY DEFERRED;
ALTER TABLE users ADD COLUMN boss int REFERENCES users;
CREATE INDEX ix_users_lower ON users (lower(name)) WHERE age > 3;
CREATE UNIQUE INDEX trg ON users (name);
CREATE VIEW v1 AS SELECT u.id, u.name FROM users u;
CREATE VIEW a_view WITH (security_barrier) AS SELECT * FROM v1 WHERE name LIKE '%x:y' WITH CHECK OPTION;
CREATE MATERIALIZED VIEW m1 AS SELECT count(*) AS n FROM a_view;
CREATE UNIQUE INDEX m1_n ON m1 (n);
CREATE FUNCTION use_view() RETURNS SETOF a_view LANGUAGE sql AS $$ SELECT * FROM a_view $$;
CREATE VIEW of_function AS SELECT * FROM use_view();
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := NEW.name || '!'; RETURN
    NEW; END $$;
CREATE PROCEDURE proc(a int) LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
CREATE TRIGGER users_touch BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE users DISABLE TRIGGER users_touch;
CREATE TABLE audit.log (id int, at timestamptz DEFAULT now(), data jsonb) PARTITION BY RANGE (id);
CREATE TABLE audit.log_1 PARTITION OF audit.log FOR VALUES FROM (0) TO (100);
CREATE TABLE audit.log_d PARTITION OF audit.log DEFAULT;
ALTER TABLE audit.log ADD PRIMARY KEY (id);
CREATE INDEX log_at ON audit.log (at);
ALTER TABLE audit.log ADD CHECK (id > -5);
ALTER TABLE audit.log ADD COLUMN user_id int REFERENCES users;
CREATE TABLE base (a int NOT NULL CHECK (a > 0));
CREATE TABLE derived (b int) INHERITS (base);
CREATE RULE r AS ON INSERT TO derived DO ALSO NOTIFY x;
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
CREATE POLICY pol ON users AS RESTRICTIVE FOR SELECT USING (age > 1);
CREATE STATISTICS stat (dependencies) ON name, age FROM users;
CREATE SEQUENCE lonely START 5 INCREMENT 2 CYCLE;
CREATE TABLE uses (id int DEFAULT nextval('lonely'));
ALTER TABLE uses REPLICA IDENTITY FULL;
CREATE TABLE "50%:x" ("a%b" text, at timestamptz, f float8, d date, i interval, bin bytea);
ALTER TABLE "50%:x" ALTER "a%b" SET STORAGE EXTERNAL;
INSERT INTO "50%:x" VALUES ('%s', '2020-05-06 07:08:09+00', 0.1::float8 + 0.2, '2020-05-06', '-1 day +02:03', 'a\\');
COMMENT ON TABLE users IS 'people''s';
COMMENT ON COLUMN users.name IS 'the name';
COMMENT ON CONSTRAINT pos ON DOMAIN positive IS 'dc';
COMMENT ON INDEX trg IS 'ix';
COMMENT ON FUNCTION slug(text) IS 'fn';
COMMENT ON VIEW v1 IS 'vw';
COMMENT ON TRIGGER users_touch ON users IS 'tr';
COMMENT ON CONSTRAINT selfref ON "Order Items" IS 'con';
COMMENT ON TYPE pair IS 'pr';
COMMENT ON SCHEMA audit IS 'au';
INSERT INTO users (name, moods, age, p, fl) VALUES ('A%:b\', '{ok,"it''s"}', 3, '(1,ok)', '[1,2)'), ('B',
    NULL, NULL, NULL, NULL);
INSERT INTO users (id, name, boss) VALUES (7, 'C', 8), (8, 'D', 7);
INSERT INTO "Order Items" (user_id, qty) VALUES (1, 2);
INSERT INTO audit.log (id, data) VALUES (1, '{"a": ":b %s"}'), (200, NULL);
INSERT INTO uses DEFAULT VALUES;
INSERT INTO base VALUES (1); INSERT INTO derived VALUES (2, 3);
REFRESH MATERIALIZED VIEW m1;
GRANT SELECT ON users TO PUBLIC
"""
SCRIPTS = {"sqlite": SQLITE, "mariadb": MARIADB, "postgresql": POSTGRESQL}
