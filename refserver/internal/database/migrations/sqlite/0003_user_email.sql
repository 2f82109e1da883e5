CREATE INDEX ref_users_site_email ON ref_users (site, email_key) WHERE email_key <> '';
