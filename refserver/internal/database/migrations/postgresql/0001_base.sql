CREATE TABLE ref_sites (
	id TEXT COLLATE "C" PRIMARY KEY, name TEXT NOT NULL, settings TEXT NOT NULL,
	created_at BIGINT NOT NULL, revision BIGINT NOT NULL
);
CREATE INDEX ref_sites_revision ON ref_sites (revision);
CREATE TABLE ref_revisions (name TEXT COLLATE "C" PRIMARY KEY, n BIGINT NOT NULL);
INSERT INTO ref_revisions (name, n) VALUES ('sites', 1);
CREATE TABLE ref_admins (
	site TEXT COLLATE "C" NOT NULL REFERENCES ref_sites (id), id TEXT COLLATE "C" NOT NULL,
	name TEXT NOT NULL, email TEXT NOT NULL, email_key TEXT COLLATE "C" NOT NULL, created_at BIGINT NOT NULL,
	PRIMARY KEY (site, id), UNIQUE (site, email_key)
);
CREATE TABLE ref_tokens (
	hash BYTEA PRIMARY KEY, site TEXT COLLATE "C" NOT NULL, admin TEXT COLLATE "C" NOT NULL,
	source TEXT COLLATE "C" NOT NULL, created_at BIGINT NOT NULL,
	FOREIGN KEY (site, admin) REFERENCES ref_admins (site, id)
);
CREATE TABLE ref_sessions (
	hash BYTEA PRIMARY KEY, token BYTEA NOT NULL REFERENCES ref_tokens (hash) ON DELETE CASCADE,
	created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL
);
CREATE INDEX ref_sessions_expires ON ref_sessions (expires_at);
CREATE INDEX ref_sessions_token ON ref_sessions (token);
CREATE TABLE ref_users (
	site TEXT COLLATE "C" NOT NULL REFERENCES ref_sites (id), id TEXT COLLATE "C" NOT NULL,
	name TEXT NOT NULL, sort_name TEXT COLLATE "C" NOT NULL, email TEXT NOT NULL, email_key TEXT COLLATE "C" NOT NULL,
	language TEXT NOT NULL, external_id TEXT COLLATE "C" NOT NULL, created_at BIGINT NOT NULL,
	PRIMARY KEY (site, id)
);
CREATE INDEX ref_users_name ON ref_users (site, sort_name, id);
CREATE INDEX ref_users_email ON ref_users (email_key) WHERE email_key <> '';
CREATE INDEX ref_users_site_email ON ref_users (site, email_key) WHERE email_key <> '';
CREATE UNIQUE INDEX ref_users_external ON ref_users (site, external_id) WHERE external_id <> '';
CREATE TABLE ref_keys (
	site TEXT COLLATE "C" NOT NULL, key TEXT COLLATE "C" NOT NULL, fingerprint BYTEA NOT NULL,
	"user" TEXT COLLATE "C" NOT NULL, at BIGINT NOT NULL,
	PRIMARY KEY (site, key)
);
CREATE INDEX ref_keys_at ON ref_keys (at);
CREATE TABLE ref_mails (
	n BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, site TEXT COLLATE "C" NOT NULL, id TEXT COLLATE "C" NOT NULL,
	at BIGINT NOT NULL, key_id BIGINT NOT NULL, sealed BYTEA NOT NULL, UNIQUE (site, id)
);
CREATE INDEX ref_mails_site ON ref_mails (site, n);
CREATE TABLE ref_messages (
	site TEXT COLLATE "C" NOT NULL, kind TEXT COLLATE "C" NOT NULL, language TEXT COLLATE "C" NOT NULL,
	subject TEXT NOT NULL, text TEXT NOT NULL, html TEXT NOT NULL,
	edited_by TEXT NOT NULL, edited_at BIGINT NOT NULL, PRIMARY KEY (site, kind, language)
);
CREATE TABLE ref_imports (
	site TEXT COLLATE "C" NOT NULL, id TEXT COLLATE "C" NOT NULL, state TEXT COLLATE "C" NOT NULL,
	total BIGINT NOT NULL, done BIGINT NOT NULL, counts TEXT NOT NULL, by TEXT NOT NULL, at BIGINT NOT NULL,
	file BYTEA NOT NULL, fence BIGINT NOT NULL DEFAULT 0, lease_until BIGINT NOT NULL DEFAULT 0,
	PRIMARY KEY (site, id)
);
CREATE TABLE ref_import_results (
	site TEXT COLLATE "C" NOT NULL, id TEXT COLLATE "C" NOT NULL, first BIGINT NOT NULL, results TEXT NOT NULL,
	PRIMARY KEY (site, id, first)
);
CREATE TABLE ref_nodes (
	id TEXT COLLATE "C" PRIMARY KEY, started_at BIGINT NOT NULL, seen_at BIGINT NOT NULL,
	keys TEXT NOT NULL
);
