-- Reads a log. ARGV: task, the number to begin with, how many entries. Answers with the entries, the last number of the log, and
-- whether it was removed. It is a script, because a transaction would be refused when Redis is out of memory.
local log = read_log()
local entries = {}
if ARGV[3] ~= '0' then
    entries = redis.call('XRANGE', STREAM, ARGV[2], '+', 'COUNT', ARGV[3])
end
return { entries, log.last, log.removed and 1 or 0 }
