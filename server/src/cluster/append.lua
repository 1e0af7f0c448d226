-- Appends one entry to the log and keeps its content, as one step. It knows no rule of presence.
-- entry.ts explains the request and the replies; append.ts makes KEYS and ARGV.
local log, nodes, here, users, subjectHere = unpack(KEYS)
local epoch, node, batch, kind, subject, knownBatch, id, oldest, server, about, body, facts = unpack(ARGV, 1, 12)

-- Lua compares strings by the locale of Redis, where "B" may be greater than "a". The nodes compare bytes.
local function isGreater(one, other)
  for i = 1, math.min(#one, #other) do
    if one:byte(i) ~= other:byte(i) then return one:byte(i) > other:byte(i) end
  end
  return #one > #other
end

-- What no node can have written counts as absent: a number has at most 15 digits, as for readNumber in append.ts.
local function numberOf(field)
  local text = redis.call('HGET', nodes, field) or ''
  return #text < 16 and text:match('^[1-9]%d*$')
end

-- Whether another program has written a number that is too large for all nodes, as usableEnd of place.ts says.
local function isEndUnusable()
  local info = redis.pcall('XINFO', 'STREAM', log)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return #info[i + 1]:match('%d+') > 15 end
  end
end

-- A key that another program has written must fail here, before anything changes.
for i = 2, #KEYS do redis.call('HLEN', KEYS[i]) end

-- First of all: a batch that was appended is a duplicate, even if the epoch has changed since.
local last = tonumber(numberOf(node) or 0)
if last >= tonumber(batch) then return {'duplicate', last} end
local current = numberOf('epoch') or ''
-- Without an epoch, a node can only begin one.
if epoch ~= current or (epoch == '' and kind ~= 'epoch') then return {'epoch', current} end
if last == 0 and kind ~= 'join' and kind ~= 'epoch' then return {'lost'} end
if subjectHere and tonumber(numberOf(subject) or 0) > tonumber(knownBatch) then return {'alive'} end

-- No epoch can follow such a number. The nodes read nothing after it, and tell all that they know in the new epoch.
if kind == 'epoch' and isEndUnusable() then redis.call('UNLINK', log) end
-- Redis refuses only the first write of a script, as at maxmemory or on a replica. So all is done, or nothing.
local entry = {'node', node, 'batch', batch, 'kind', kind, 'body', body}
local place = redis.call('XADD', log, 'MINID', '~', oldest, id, unpack(entry))
redis.call('HSET', nodes, node, batch)
if kind == 'epoch' then redis.call('HSET', nodes, 'epoch', place:match('%d+'), 'server', server) end
if about ~= '' then redis.call('HSET', nodes, node .. '.about', about) end
-- UNLINK frees the memory in the background: there may be 100,000 users.
if kind == 'join' then redis.call('UNLINK', here) end
local registers = 13 + 2 * facts
for i = 13, registers - 1, 2 do
  if ARGV[i + 1] == '' then redis.call('HDEL', here, ARGV[i]) else redis.call('HSET', here, ARGV[i], ARGV[i + 1]) end
end
for i = registers, #ARGV, 2 do
  local key, value = ARGV[i], ARGV[i + 1]
  if isGreater(value, redis.call('HGET', users, key) or '') then
    -- A register without a content is not kept: users are forgotten. JSON text ends with a quote, so this is no text.
    if value:sub(-5) == '|null' then redis.call('HDEL', users, key) else redis.call('HSET', users, key, value) end
  end
end
if subjectHere then redis.call('HDEL', nodes, subject, subject .. '.about') end
if subjectHere then redis.call('UNLINK', subjectHere) end
return {'appended', place}
