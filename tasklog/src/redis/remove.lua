-- Lets a log expire soon. ARGV: task, channel, milliseconds until then.
local log = read_log()
if not log.exists then
    read_bytes(log)
    redis.call('HDEL', SIZES, TASK)
    redis.call('ZREM', EXPIRY, TASK)
elseif not log.removed then
    redis.call('HSET', STATE, 'last', log.last, 'removed', 1)
    expire_in(tonumber(ARGV[3]))
end
redis.call('PUBLISH', ARGV[2], 'look')
return log.last
