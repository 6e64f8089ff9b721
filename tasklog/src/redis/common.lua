-- What the scripts share. KEYS: the stream of the log, its state, the bytes of all logs by task, their sum, when they expire.
local STREAM, STATE, SIZES, TOTAL, EXPIRY = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local TASK = ARGV[1]

local function now()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The last number that was ever added: the stream remembers it even when it is empty.
local function last_of_stream()
    local info = redis.call('XINFO', 'STREAM', STREAM)
    for i = 1, #info, 2 do
        if info[i] == 'last-generated-id' then
            return tonumber(string.match(info[i + 1], '^%d+'))
        end
    end
end

-- The log as it is: whether it exists, its last number, what is safe in the archive, whether it was removed.
local function read_log()
    if redis.call('EXISTS', STREAM) == 0 then
        return { exists = false, last = 0, safe = 0, removed = false }
    end
    local state = redis.call('HMGET', STATE, 'last', 'safe', 'removed')
    return {
        exists = true,
        last = tonumber(state[1]) or last_of_stream(),
        safe = tonumber(state[2]) or 0,
        removed = state[3] == '1',
    }
end

local function add_bytes(difference)
    if difference ~= 0 then
        redis.call('INCRBY', TOTAL, difference)
        redis.call('HINCRBY', SIZES, TASK, difference)
    end
end

-- Takes the bytes of logs that expired out of the sum. Each call does a little of it.
local function forget_expired()
    for _, task in ipairs(redis.call('ZRANGEBYSCORE', EXPIRY, '-inf', now(), 'LIMIT', 0, 16)) do
        redis.call('INCRBY', TOTAL, -(tonumber(redis.call('HGET', SIZES, task)) or 0))
        redis.call('HDEL', SIZES, task)
        redis.call('ZREM', EXPIRY, task)
    end
end

-- The bytes of the log, and of all logs.
local function read_bytes(log)
    local bytes = tonumber(redis.call('HGET', SIZES, TASK)) or 0
    if not log.exists then
        -- The stream went without us: evicted, or deleted by hand.
        redis.call('DEL', STATE)
        add_bytes(-bytes)
        bytes = 0
    end
    return bytes, tonumber(redis.call('GET', TOTAL)) or 0
end

-- Drops the oldest entries that are safe in the archive, as long as `is_over(dropped bytes)`. Answers with the bytes dropped.
local function drop_safe(safe, is_over)
    local dropped = 0
    while is_over(dropped) do
        local oldest = redis.call('XRANGE', STREAM, '-', '+', 'COUNT', 1)[1]
        if not oldest or tonumber(string.match(oldest[1], '^%d+')) > safe then
            break
        end
        redis.call('XDEL', STREAM, oldest[1])
        dropped = dropped + #oldest[2][2]
    end
    add_bytes(-dropped)
    return dropped
end

local function expire_in(milliseconds)
    local at = now() + milliseconds
    redis.call('PEXPIREAT', STREAM, at)
    redis.call('PEXPIREAT', STATE, at)
    redis.call('ZADD', EXPIRY, at, TASK)
end
