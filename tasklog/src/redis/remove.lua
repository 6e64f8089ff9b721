-- Lets a log expire soon. ARGV: task, milliseconds until then.
local log = read_log()
local account = read_account(log)
if not log.exists then
    redis.call('HINCRBY', LEDGER, '*', 0 - account.held)
    redis.call('HDEL', LEDGER, TASK)
    redis.call('ZREM', EXPIRY, TASK)
elseif not log.removed then
    redis.call('HSET', STATE, 'last', log.last, 'removed', 1)
    -- Without room, appending looks at the state.
    settle(account, account.bytes, 0)
    expire_in(tonumber(ARGV[2]))
end
redis.call('PUBLISH', STREAM, 'look')
return log.last
