-- The task whose Codex session this one continues. No foreign key: a task made with kubectl may name one that was never seen here.
ALTER TABLE tasks ADD COLUMN resume_from uuid;
