CREATE TABLE ref_apple_authority (
	id TEXT COLLATE "C" PRIMARY KEY, topic TEXT NOT NULL, certificate BYTEA NOT NULL, key_id BIGINT NOT NULL, sealed BYTEA NOT NULL,
	created_at BIGINT NOT NULL
);
CREATE TABLE ref_apple_certificates (
	serial TEXT COLLATE "C" PRIMARY KEY, site TEXT COLLATE "C" NOT NULL, enrollment TEXT COLLATE "C" NOT NULL,
	invitation TEXT COLLATE "C" NOT NULL, user_id TEXT COLLATE "C" NOT NULL,
	hash BYTEA NOT NULL, issued_at BIGINT NOT NULL, expires_at BIGINT NOT NULL
);
CREATE INDEX ref_apple_certificates_expires ON ref_apple_certificates (expires_at);
CREATE TABLE ref_apple_enrollments (
	site TEXT COLLATE "C" NOT NULL, id TEXT COLLATE "C" NOT NULL, name TEXT COLLATE "C" NOT NULL, device TEXT COLLATE "C" NOT NULL,
	enabled INTEGER NOT NULL, tokens BIGINT NOT NULL, key_id BIGINT NOT NULL, sealed BYTEA, changed_at BIGINT NOT NULL,
	PRIMARY KEY (site, id)
);
CREATE INDEX ref_apple_enrollments_device ON ref_apple_enrollments (site, device);
CREATE TABLE ref_apple_commands (
	site TEXT COLLATE "C" NOT NULL, enrollment TEXT COLLATE "C" NOT NULL, id TEXT COLLATE "C" NOT NULL, kind TEXT NOT NULL,
	text BYTEA NOT NULL, deferred INTEGER NOT NULL, queued_at BIGINT NOT NULL, PRIMARY KEY (site, enrollment, id)
);
