-- People who may log in.
CREATE TABLE users (
    id            uuid        PRIMARY KEY,
    email         text        NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
    -- An argon2id hash in PHC form; the parameters are part of it.
    password_hash text        NOT NULL,
    role          text        NOT NULL CHECK (role IN ('admin', 'user')),
    -- A disabled user is refused at the next request, whatever tokens are still valid.
    disabled      boolean     NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL DEFAULT now()
);

-- Addresses that differ in case only are one person.
CREATE UNIQUE INDEX users_email_key ON users (lower(email));

-- Refresh tokens: opaque for the client, only the hash is stored. Each is good for one use; the tokens that descend from
-- one login share a family, and using one of them twice revokes the family.
CREATE TABLE refresh_tokens (
    token_hash bytea       PRIMARY KEY,
    family     uuid        NOT NULL,
    user_id    uuid        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz,
    revoked_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX refresh_tokens_family_idx ON refresh_tokens (family);
CREATE INDEX refresh_tokens_user_idx ON refresh_tokens (user_id);
CREATE INDEX refresh_tokens_expires_idx ON refresh_tokens (expires_at);
