-- Every task that was ever accepted, or seen in Kubernetes. The CodexTask goes after its time to live; this row stays.
CREATE TABLE tasks (
    -- A UUIDv7 and also the name of the CodexTask; for a task made with kubectl the UID of the resource.
    id                  uuid        PRIMARY KEY,
    -- The name of the CodexTask.
    name                text        NOT NULL,
    -- NULL for tasks that did not come through the gateway; only administrators see those.
    user_id             uuid        REFERENCES users (id) ON DELETE SET NULL,
    -- Who asked, in words: an email address, spec.user, or 'kubectl'.
    owner               text        NOT NULL,
    prompt              text        NOT NULL,
    cwd                 text,
    repository          text,
    env                 jsonb       NOT NULL DEFAULT '{}',
    model               text,
    timeout_seconds     bigint,

    state               text        NOT NULL DEFAULT 'queued'
                                    CHECK (state IN ('queued', 'running', 'completed', 'error', 'canceled')),
    queue_position      bigint,
    exit_code           integer,
    reason              text,
    message             text,
    usage               jsonb,
    thread_id           text,
    last_frame          bigint,
    created_at          timestamptz NOT NULL DEFAULT now(),
    started_at          timestamptz,
    finished_at         timestamptz,
    updated_at          timestamptz NOT NULL DEFAULT now(),
    -- Counts the changes of the columns from state to finished_at, so that readers can order what they hear of.
    revision            bigint      NOT NULL DEFAULT 1,
    cancel_requested_at timestamptz,

    -- When the CodexTask was known to exist. NULL: Kubernetes has not heard of the task.
    cr_created_at       timestamptz,
    -- The outbox: when the dispatcher has to look at this row (again). NULL: Kubernetes knows all there is to know.
    outbox_at           timestamptz,
    outbox_attempts     integer     NOT NULL DEFAULT 0,

    -- The Idempotency-Key of the request, and a hash of its body that tells a repetition from a mistake.
    idempotency_key     text,
    request_hash        bytea,

    CONSTRAINT tasks_final_has_end CHECK (state IN ('queued', 'running') OR finished_at IS NOT NULL)
);

CREATE UNIQUE INDEX tasks_idempotency_key ON tasks (user_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
-- Newest first, for one user and for administrators.
CREATE INDEX tasks_user_created_idx ON tasks (user_id, created_at DESC, id DESC);
CREATE INDEX tasks_created_idx ON tasks (created_at DESC, id DESC);
-- Both are small: finished tasks, nearly all there are, are in neither.
CREATE INDEX tasks_outbox_idx ON tasks (outbox_at) WHERE outbox_at IS NOT NULL;
CREATE INDEX tasks_open_idx ON tasks (id) WHERE state IN ('queued', 'running');
