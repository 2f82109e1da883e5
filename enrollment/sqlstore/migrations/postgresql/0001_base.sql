-- Times are microseconds since 1970 in UTC; 0 has not happened.

CREATE TABLE @versions (
  version BIGINT PRIMARY KEY,
  name    TEXT NOT NULL
);

CREATE TABLE @users (
  site      TEXT COLLATE "C" NOT NULL,
  id        TEXT COLLATE "C" NOT NULL,
  name      TEXT COLLATE "C" NOT NULL,
  email     TEXT COLLATE "C" NOT NULL,
  email_key TEXT COLLATE "C" NOT NULL,
  language  TEXT COLLATE "C" NOT NULL,
  outside   BIGINT NOT NULL CHECK (outside IN (0, 1)),
  PRIMARY KEY (site, id)
);
CREATE UNIQUE INDEX ~users_outside ON @users (site, email_key) WHERE outside = 1 AND email_key <> '';

CREATE TABLE @invitations (
  site               TEXT COLLATE "C" NOT NULL,
  id                 TEXT COLLATE "C" NOT NULL,
  user_id            TEXT COLLATE "C" NOT NULL,
  email              TEXT COLLATE "C" NOT NULL,
  email_key          TEXT COLLATE "C" NOT NULL,
  name               TEXT COLLATE "C" NOT NULL,
  state              TEXT COLLATE "C" NOT NULL CHECK (state IN ('created', 'sent', 'opened', 'deactivated')),
  reason             TEXT COLLATE "C" NOT NULL,
  mode               TEXT COLLATE "C" NOT NULL,
  ownership          TEXT COLLATE "C" NOT NULL,
  expires_at         BIGINT NOT NULL,
  max_devices        BIGINT NOT NULL,
  enrolled           BIGINT NOT NULL,
  live               BIGINT NOT NULL,
  delivery           TEXT COLLATE "C" NOT NULL,
  delivery_at        BIGINT NOT NULL,
  accepted_at        BIGINT NOT NULL,
  accepted_ownership TEXT COLLATE "C" NOT NULL,
  accepted_platform  TEXT COLLATE "C" NOT NULL,
  created_at         BIGINT NOT NULL,
  sent_at            BIGINT NOT NULL,
  opened_at          BIGINT NOT NULL,
  ended_at           BIGINT NOT NULL,
  pin_generation     BIGINT NOT NULL,
  events             BIGINT NOT NULL,
  version            BIGINT NOT NULL,
  PRIMARY KEY (site, id)
);
-- One active invitation per user, whatever the program does.
CREATE UNIQUE INDEX ~invitations_active ON @invitations (site, user_id) WHERE state <> 'deactivated';
CREATE INDEX ~invitations_user ON @invitations (site, user_id, id);
CREATE INDEX ~invitations_email ON @invitations (email_key, created_at, id) WHERE email_key <> '';
CREATE INDEX ~invitations_expiry ON @invitations (expires_at) WHERE state <> 'deactivated' AND expires_at <> 0;

CREATE TABLE @credentials (
  site       TEXT COLLATE "C" NOT NULL,
  owner      TEXT COLLATE "C" NOT NULL,
  kind       TEXT COLLATE "C" NOT NULL,
  generation BIGINT NOT NULL,
  index_mac  BYTEA,
  check_mac  BYTEA,
  sealed     BYTEA,
  data       BYTEA,
  created_at BIGINT NOT NULL,
  created_by TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (kind, site, owner)
);
CREATE UNIQUE INDEX ~credentials_index ON @credentials (kind, index_mac) WHERE index_mac IS NOT NULL;

CREATE TABLE @counters (
  key        TEXT COLLATE "C" PRIMARY KEY,
  n          BIGINT NOT NULL CHECK (n >= 0),
  start_at   BIGINT NOT NULL,
  last_at    BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX ~counters_expiry ON @counters (expires_at) WHERE expires_at <> 0;

CREATE TABLE @sightings (
  site       TEXT COLLATE "C" NOT NULL,
  invitation TEXT COLLATE "C" NOT NULL,
  evidence   TEXT COLLATE "C" NOT NULL,
  count      BIGINT NOT NULL,
  first_at   BIGINT NOT NULL,
  last_at    BIGINT NOT NULL,
  PRIMARY KEY (site, invitation, evidence)
);

CREATE TABLE @devices (
  site          TEXT COLLATE "C" NOT NULL,
  id            TEXT COLLATE "C" NOT NULL,
  user_id       TEXT COLLATE "C" NOT NULL,
  invitation    TEXT COLLATE "C" NOT NULL,
  origin        TEXT COLLATE "C" NOT NULL,
  platform      TEXT COLLATE "C" NOT NULL,
  mode          TEXT COLLATE "C" NOT NULL,
  ownership     TEXT COLLATE "C" NOT NULL,
  state         TEXT COLLATE "C" NOT NULL CHECK (state IN ('pending', 'active', 'impaired', 'unresponsive', 'leaving', 'unenrolled')),
  since         BIGINT NOT NULL,
  reason        TEXT COLLATE "C" NOT NULL,
  ever_active   BIGINT NOT NULL CHECK (ever_active IN (0, 1)),
  generation    BIGINT NOT NULL,
  enrollment_id TEXT COLLATE "C" NOT NULL,
  enrolled_at   BIGINT NOT NULL,
  nonce         BYTEA,
  token_key     BIGINT NOT NULL,
  hardware      TEXT COLLATE "C" NOT NULL,
  name          TEXT COLLATE "C" NOT NULL,
  manufacturer  TEXT COLLATE "C" NOT NULL,
  model         TEXT COLLATE "C" NOT NULL,
  os_version    TEXT COLLATE "C" NOT NULL,
  facts         TEXT COLLATE "C" NOT NULL,
  inventory     BYTEA, -- JSON, as it came
  observed_at   BIGINT NOT NULL,
  refs          TEXT COLLATE "C" NOT NULL,
  conflict      TEXT COLLATE "C" NOT NULL,
  previous      TEXT COLLATE "C" NOT NULL,
  trace         BYTEA,
  created_at    BIGINT NOT NULL,
  deleted_at    BIGINT NOT NULL,
  events        BIGINT NOT NULL,
  version       BIGINT NOT NULL,
  identity      TEXT COLLATE "C" NOT NULL, -- device.Device.Identity
  PRIMARY KEY (site, id)
);
-- One device per hardware, whatever the program does.
CREATE UNIQUE INDEX ~devices_identity ON @devices (site, platform, identity) WHERE identity <> '' AND deleted_at = 0;
CREATE INDEX ~devices_user ON @devices (site, user_id, id) WHERE deleted_at = 0;
CREATE INDEX ~devices_invitation ON @devices (site, invitation, id) WHERE deleted_at = 0 AND invitation <> '';
CREATE INDEX ~devices_conflict ON @devices (site, conflict, id) WHERE deleted_at = 0 AND conflict <> '';
CREATE INDEX ~devices_since ON @devices (state, since) WHERE deleted_at = 0;
CREATE INDEX ~devices_deleted ON @devices (site, deleted_at, id) WHERE deleted_at <> 0;
CREATE INDEX ~devices_trace ON @devices (site, platform, trace) WHERE trace IS NOT NULL;

-- The refs of devices that are not deleted, to find them by and to keep them apart.
CREATE TABLE @device_refs (
  site   TEXT COLLATE "C" NOT NULL,
  source TEXT COLLATE "C" NOT NULL,
  ref    TEXT COLLATE "C" NOT NULL,
  device TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (site, source, ref),
  FOREIGN KEY (site, device) REFERENCES @devices (site, id) ON DELETE CASCADE
);
CREATE INDEX ~device_refs_device ON @device_refs (site, device);

CREATE TABLE @contacts (
  site   TEXT COLLATE "C" NOT NULL,
  device TEXT COLLATE "C" NOT NULL,
  token  BYTEA,
  seq    BIGINT NOT NULL,
  at     BIGINT NOT NULL, -- not indexed: every sign of life writes it
  silent BIGINT NOT NULL CHECK (silent IN (0, 1)),
  gone   BIGINT NOT NULL CHECK (gone IN (0, 1)),
  PRIMARY KEY (site, device)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05); -- room for the next version of a row on its own page
CREATE UNIQUE INDEX ~contacts_token ON @contacts (token) WHERE token IS NOT NULL;

CREATE TABLE @slots (
  site             TEXT COLLATE "C" NOT NULL,
  id               TEXT COLLATE "C" NOT NULL,
  kind             TEXT COLLATE "C" NOT NULL CHECK (kind IN ('invitation', 'device')),
  state            TEXT COLLATE "C" NOT NULL,
  invitation       TEXT COLLATE "C" NOT NULL,
  user_id          TEXT COLLATE "C" NOT NULL,
  user_name        TEXT COLLATE "C" NOT NULL,
  email            TEXT COLLATE "C" NOT NULL,
  platform         TEXT COLLATE "C" NOT NULL,
  mode             TEXT COLLATE "C" NOT NULL,
  ownership        TEXT COLLATE "C" NOT NULL,
  name             TEXT COLLATE "C" NOT NULL,
  serial           TEXT COLLATE "C" NOT NULL,
  refs             TEXT COLLATE "C" NOT NULL,
  last_connection  BIGINT NOT NULL,
  last_observation BIGINT NOT NULL,
  missing          TEXT COLLATE "C" NOT NULL,
  conflict         BIGINT NOT NULL CHECK (conflict IN (0, 1)),
  created_at       BIGINT NOT NULL,
  sort_name        TEXT COLLATE "C" NOT NULL, -- enrollment.Slot.SortKey by name
  PRIMARY KEY (site, id)
);
-- One index for each order of the list, alone and behind each filter.
CREATE INDEX ~slots_connection ON @slots (site, last_connection, id);
CREATE INDEX ~slots_name ON @slots (site, sort_name, id);
CREATE INDEX ~slots_state ON @slots (site, state, id);
CREATE INDEX ~slots_state_connection ON @slots (site, state, last_connection, id);
CREATE INDEX ~slots_state_name ON @slots (site, state, sort_name, id);
CREATE INDEX ~slots_platform_connection ON @slots (site, platform, last_connection, id);
CREATE INDEX ~slots_platform_name ON @slots (site, platform, sort_name, id);

CREATE TABLE @slot_terms (
  site TEXT COLLATE "C" NOT NULL,
  id   TEXT COLLATE "C" NOT NULL,
  term TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (site, id, term)
);
CREATE INDEX ~slot_terms_term ON @slot_terms (site, term, id);

-- A site's slots in a state are the sum of its count and its deltas.
CREATE TABLE @slot_counts (
  site  TEXT COLLATE "C" NOT NULL,
  state TEXT COLLATE "C" NOT NULL,
  n     BIGINT NOT NULL,
  PRIMARY KEY (site, state)
);
CREATE TABLE @slot_deltas (
  pos   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  site  TEXT COLLATE "C" NOT NULL,
  state TEXT COLLATE "C" NOT NULL,
  n     BIGINT NOT NULL
);
CREATE INDEX ~slot_deltas_site ON @slot_deltas (site, state);

CREATE TABLE @events (
  pos        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- in the order of writing
  site       TEXT COLLATE "C" NOT NULL,
  id         TEXT COLLATE "C" NOT NULL,
  subject    TEXT COLLATE "C" NOT NULL,
  seq        BIGINT NOT NULL,
  site_seq   BIGINT NOT NULL,
  type       TEXT COLLATE "C" NOT NULL,
  at         BIGINT NOT NULL,
  actor      TEXT COLLATE "C" NOT NULL,
  before     TEXT COLLATE "C" NOT NULL,
  after      TEXT COLLATE "C" NOT NULL,
  reason     TEXT COLLATE "C" NOT NULL,
  ref_source TEXT COLLATE "C" NOT NULL,
  ref_id     TEXT COLLATE "C" NOT NULL,
  user_id    TEXT COLLATE "C" NOT NULL,
  invitation TEXT COLLATE "C" NOT NULL,
  device     TEXT COLLATE "C" NOT NULL,
  data       TEXT COLLATE "C" NOT NULL
);
CREATE UNIQUE INDEX ~events_id ON @events (site, id);
CREATE UNIQUE INDEX ~events_subject ON @events (site, subject, seq);
CREATE UNIQUE INDEX ~events_site ON @events (site, site_seq) WHERE site_seq <> 0;
CREATE INDEX ~events_waiting ON @events (pos) WHERE site_seq = 0;

CREATE TABLE @site_sequences (
  site TEXT COLLATE "C" PRIMARY KEY,
  last BIGINT NOT NULL
);

CREATE TABLE @messages (
  site        TEXT COLLATE "C" NOT NULL,
  id          TEXT COLLATE "C" NOT NULL,
  kind        TEXT COLLATE "C" NOT NULL,
  dedupe      TEXT COLLATE "C" NOT NULL,
  invitation  TEXT COLLATE "C" NOT NULL,
  device      TEXT COLLATE "C" NOT NULL,
  user_id     TEXT COLLATE "C" NOT NULL,
  admin       TEXT COLLATE "C" NOT NULL,
  event       TEXT COLLATE "C" NOT NULL,
  created_at  BIGINT NOT NULL,
  due_at      BIGINT NOT NULL,
  attempt     BIGINT NOT NULL,
  lease_until BIGINT NOT NULL,
  fence       BIGINT NOT NULL,
  status      TEXT COLLATE "C" NOT NULL CHECK (status IN ('waiting', 'done', 'superseded', 'dead')),
  ended_at    BIGINT NOT NULL,
  cause       TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (site, id)
);
CREATE UNIQUE INDEX ~messages_dedupe ON @messages (site, dedupe) WHERE dedupe <> '';
CREATE INDEX ~messages_due ON @messages (due_at, id) WHERE status = 'waiting';
CREATE INDEX ~messages_ended ON @messages (ended_at) WHERE status <> 'waiting';
CREATE INDEX ~messages_created ON @messages (site, created_at, id);
CREATE INDEX ~messages_invitation ON @messages (site, invitation) WHERE invitation <> '';
CREATE INDEX ~messages_device ON @messages (site, device) WHERE device <> '';

CREATE TABLE @records (
  site        TEXT COLLATE "C" NOT NULL,
  scope       TEXT COLLATE "C" NOT NULL,
  key         TEXT COLLATE "C" NOT NULL,
  fingerprint BYTEA,
  result      BYTEA,
  at          BIGINT NOT NULL,
  expires_at  BIGINT NOT NULL,
  PRIMARY KEY (site, scope, key)
);
CREATE INDEX ~records_expiry ON @records (expires_at) WHERE expires_at <> 0;
