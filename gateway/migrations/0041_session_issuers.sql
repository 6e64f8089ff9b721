-- Which identity provider vouched for the sign-in that a session began with, so that a sign-out can go on there. NULL: a password, or a sign-in
-- before this column.
ALTER TABLE refresh_tokens ADD COLUMN IF NOT EXISTS issuer text;
