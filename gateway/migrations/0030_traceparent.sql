-- The W3C traceparent of the request that made the task, so that what dispatcher, operator and runner do for it joins the trace of that
-- request, whichever gateway passes the task on and whenever. Written once, with the row; NULL for tasks that were made with kubectl and
-- for those of older gateways, which begin a trace of their own.
--
-- Runs beside gateways of the version before: a column that may be NULL and has no default is a change of the catalogue alone, and the
-- old statements name their columns.
ALTER TABLE tasks ADD COLUMN IF NOT EXISTS traceparent text;
