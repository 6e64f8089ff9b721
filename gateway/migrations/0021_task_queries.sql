-- Any part of a prompt, a repository or an owner is found without reading every row. The extension comes with PostgreSQL and is trusted:
-- the owner of the database may add it.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE INDEX IF NOT EXISTS tasks_prompt_search_idx ON tasks USING gin (prompt gin_trgm_ops);
CREATE INDEX IF NOT EXISTS tasks_repository_search_idx ON tasks USING gin (repository gin_trgm_ops);
CREATE INDEX IF NOT EXISTS tasks_owner_search_idx ON tasks USING gin (owner gin_trgm_ops);

-- The filters of administrators, newest first. Those of users are read from tasks_user_created_idx.
CREATE INDEX IF NOT EXISTS tasks_state_created_idx ON tasks (state, created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS tasks_repository_created_idx ON tasks (repository, created_at DESC, id DESC);

-- How many tasks of a user are queued or running: asked whenever one is submitted.
CREATE INDEX IF NOT EXISTS tasks_user_open_idx ON tasks (user_id) WHERE state IN ('queued', 'running');

-- Which idempotency keys are old enough to be forgotten.
CREATE INDEX IF NOT EXISTS tasks_idempotency_age_idx ON tasks (created_at) WHERE idempotency_key IS NOT NULL;
