CREATE TABLE ref_authorities (
	name TEXT COLLATE "C" NOT NULL, generation BIGINT NOT NULL, role TEXT COLLATE "C" NOT NULL, certificate BYTEA NOT NULL,
	key_id BIGINT NOT NULL, sealed BYTEA NOT NULL, created_at BIGINT NOT NULL, PRIMARY KEY (name, generation, role)
);
INSERT INTO ref_authorities (name, generation, role, certificate, key_id, sealed, created_at)
	SELECT 'apple', 1, 'root', certificate, key_id, sealed, created_at FROM ref_apple_authority WHERE id = '1';
CREATE TABLE ref_certificates (
	authority TEXT COLLATE "C" NOT NULL, serial TEXT COLLATE "C" NOT NULL, generation BIGINT NOT NULL,
	site TEXT COLLATE "C" NOT NULL, enrollment TEXT COLLATE "C" NOT NULL, invitation TEXT COLLATE "C" NOT NULL,
	user_id TEXT COLLATE "C" NOT NULL, hash BYTEA NOT NULL, request BYTEA, certificate BYTEA, confirmed INTEGER NOT NULL,
	issued_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, PRIMARY KEY (authority, serial)
);
INSERT INTO ref_certificates (authority, serial, generation, site, enrollment, invitation, user_id, hash, confirmed, issued_at, expires_at)
	SELECT 'apple', serial, 1, site, enrollment, invitation, user_id, hash, 1, issued_at, expires_at FROM ref_apple_certificates;
CREATE INDEX ref_certificates_enrollment ON ref_certificates (authority, site, enrollment);
CREATE INDEX ref_certificates_owner ON ref_certificates (authority, site, invitation, user_id);
DROP TABLE ref_apple_certificates;
DROP TABLE ref_apple_authority;
