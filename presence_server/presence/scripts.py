"""What Redis does in one step, in its own language (Redis 7 or newer). The keys and their meaning are in `wire`.

A script that changes a room touches that room's keys only, so that it runs on the server of a Cluster that has them;
whether a member counts at all is the readers' decision, by the membership hash.
"""

from hashlib import sha1
from typing import NamedTuple

from presence_server.presence.book import ESTIMATE_ABOVE, EXACT_BELOW

ROOM_SECONDS = 180
"""A room that nobody refreshes for so long is forgotten."""

IN_SCRIPT = 200
"""So many people are counted exactly at each change; more of them by and by."""


class Script(NamedTuple):
    """A script and the name under which Redis keeps it."""

    text: str
    sha: str


def _script(text: str) -> Script:
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


# KEYS: nodes. ARGV: node, inc, "1" where no other process can be this node. The member's name.
ENROL = _script("""
local inc = tonumber(ARGV[2])
for _, member in ipairs(redis.call('HKEYS', KEYS[1])) do
  local node, other = string.match(member, '^(.*)%.(%d+)$')
  if node == ARGV[1] then
    inc = math.max(inc, tonumber(other) + 1)
    if ARGV[3] == '1' then redis.call('HDEL', KEYS[1], member) end
  end
end
local member = string.format('%s.%.0f', ARGV[1], inc)
redis.call('HSET', KEYS[1], member, 1)
return member
""")

# KEYS: nodes. ARGV: members, whose owner speaks as the first. Its new counter; 0 where it is gone: none is made again.
BEAT = _script("""
local counter = 0
for i = 1, #ARGV do
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 1 then
    local count = redis.call('HINCRBY', KEYS[1], ARGV[i], 1)
    if i == 1 then counter = count end
  end
end
return counter
""")

# KEYS: nodes. ARGV: member, the counter that did not move.
ACCUSE = _script("""
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then return redis.call('HDEL', KEYS[1], ARGV[1]) end
return 0
""")

_ROOM = f"""
local base = string.sub(KEYS[1], 1, -3)

-- A room without holders is removed; a stamp of a new one begins at the time, which is later than any before.
local function stamped(seconds)
  local stamp = redis.call('HINCRBY', KEYS[1], '#s', 1)
  if stamp == 1 then
    local now = redis.call('TIME')
    stamp = tonumber(now[1]) * 1000000 + tonumber(now[2])
    redis.call('HSET', KEYS[1], '#s', string.format('%.0f', stamp))
  end
  redis.call('EXPIRE', KEYS[1], seconds)
  return string.format('%.0f', stamp)
end

local function holders()
  local fields, found = redis.call('HGETALL', KEYS[1]), {{members = {{}}, people = 0, mode = 'x'}}
  for i = 1, #fields, 2 do
    if fields[i] == '#m' then
      found.mode = fields[i + 1]
    elseif string.match(fields[i], '^[!-~]+%.%d+$') then
      local people = string.match(fields[i + 1], '^%d+ %d+ %d+ (%d+)')
      if people then
        found.members[#found.members + 1] = fields[i]
        found.people = found.people + tonumber(people)
      end
    end
  end
  return found
end

local function drop(member)
  redis.call('HDEL', KEYS[1], member, '#p')
  redis.call('UNLINK', base .. ':u:' .. member, base .. ':h:' .. member)
end

local function keys_of(found, kind)
  local keys = {{}}
  for i, member in ipairs(found.members) do keys[i] = base .. ':' .. kind .. ':' .. member end
  return keys
end

-- Tells the room, and whoever asked, what it is now.
local function tell(found, prefix, unique, seconds)
  local stamp
  if #found.members == 0 then
    local now = redis.call('TIME')
    stamp = string.format('%.0f', tonumber(now[1]) * 1000000 + tonumber(now[2]))
    redis.call('UNLINK', KEYS[1])
    unique = 0
  else
    if unique then redis.call('HSET', KEYS[1], '#u', unique) elseif found.mode == 'x' then
      redis.call('HDEL', KEYS[1], '#u')
    end
    stamp = stamped(seconds)
  end
  unique = tostring(unique or '-')
  redis.call('SPUBLISH', base, prefix .. ' ' .. stamp .. ' ' .. unique .. ' ' .. found.mode)
  return {{stamp, unique, found.mode}}
end

local function counted(found)
  if found.mode ~= 'x' or found.people > {IN_SCRIPT} then return nil end
  if #found.members <= 1 then return found.people end
  return #redis.call('SUNION', unpack(keys_of(found, 'u')))
end
"""

# KEYS: hash, own set. ARGV: member, version, connections, active, people, seconds to live, how many to add,
# then whom to add, then whom to remove. Answers stamp, unique viewers, mode.
PUBLISH = _script(
    _ROOM
    + f"""
local member, people, seconds, adds = ARGV[1], tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
if adds > 0 then redis.call('SADD', KEYS[2], unpack(ARGV, 8, 7 + adds)) end
if #ARGV > 7 + adds then redis.call('SREM', KEYS[2], unpack(ARGV, 8 + adds)) end
local said = table.concat(ARGV, ' ', 2, 5)
local before, sum, mode = unpack(redis.call('HMGET', KEYS[1], member, '#p', '#m'))

-- What a member that was there already changes: the others' figures need not be read for it, their names at most.
local function changed()
  local own = tonumber(before and string.match(before, '^%d+ %d+ %d+ (%d+)') or '')
  local all = tonumber(sum or '')
  if ARGV[3] == '0' or not own or not all then return nil end
  local found = {{members = {{member}}, people = all - own + people, mode = mode or 'x'}}
  if found.mode == 'e' then
    -- Of its fields four are the room's own, and one is this member.
    if redis.call('HLEN', KEYS[1]) <= 5 then return nil end
    redis.call('UNLINK', KEYS[2])
    redis.call('EXPIRE', base .. ':h:' .. member, seconds)
  elseif found.mode ~= 'x' or people > {ESTIMATE_ABOVE} then
    return nil
  elseif found.people <= {IN_SCRIPT} then
    for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
      if field ~= member and string.sub(field, 1, 1) ~= '#' then found.members[#found.members + 1] = field end
    end
  end
  return found
end

local found = changed()
if ARGV[3] == '0' then
  drop(member)
else
  redis.call('HSET', KEYS[1], member, said)
  redis.call('EXPIRE', KEYS[2], seconds)
end
if found then
  redis.call('HSET', KEYS[1], '#p', found.people)
  return tell(found, member .. ' ' .. said, counted(found), seconds)
end
found = holders()
if not before then
  -- Whoever is there already has dropped its node's earlier ones.
  local node = string.match(member, '^(.*)%.%d+$')
  for _, other in ipairs(found.members) do
    if other ~= member and string.match(other, '^(.*)%.%d+$') == node then
      drop(other)
      found = nil
    end
  end
  found = found or holders()
end
redis.call('HSET', KEYS[1], '#p', found.people)
if people > {ESTIMATE_ABOVE} then
  found.mode = 'e'
elseif #found.members == 1 and people < {EXACT_BELOW} then
  found.mode = 'x'
end
if found.mode == 'e' then
  redis.call('HSET', KEYS[1], '#m', 'e')
  redis.call('UNLINK', KEYS[2])
  redis.call('EXPIRE', base .. ':h:' .. member, seconds)
else
  redis.call('HDEL', KEYS[1], '#m')
end
return tell(found, member .. ' ' .. said, counted(found), seconds)
"""
)

# KEYS: hash. ARGV: seconds to live, then members that are none any more.
PURGE = _script(
    _ROOM
    + """
local dropped = 0
for i = 2, #ARGV do dropped = dropped + redis.call('HEXISTS', KEYS[1], ARGV[i]); drop(ARGV[i]) end
if dropped == 0 then return 0 end
local found = holders()
return tell(found, '* 0 0 0 0', counted(found), ARGV[1])
"""
)

# KEYS: hash, scratch. ARGV: seconds to live. Counts everybody once, however many there are.
UNITE = _script(
    _ROOM
    + f"""
local found = holders()
if #found.members == 0 or found.mode ~= 'x' then return 0 end
local unique = redis.call('SUNIONSTORE', KEYS[2], unpack(keys_of(found, 'u')))
redis.call('UNLINK', KEYS[2])
if unique > {ESTIMATE_ABOVE} then
  found.mode = 'e'
  redis.call('HSET', KEYS[1], '#m', 'e')
end
return tell(found, '* 0 0 0 0', unique, ARGV[1])
"""
)

# KEYS: hash, the sketch that was made anew, own sketch. ARGV: seconds to live, "1" from who counts.
SKETCH = _script(
    _ROOM
    + f"""
if redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('RENAME', KEYS[2], KEYS[3])
  redis.call('EXPIRE', KEYS[3], ARGV[1])
end
local found = holders()
if ARGV[2] ~= '1' or found.mode ~= 'e' or #found.members == 0 then return 0 end
local unique = redis.call('PFCOUNT', unpack(keys_of(found, 'h')))
if unique < {EXACT_BELOW} then
  found.mode = 'x'
  redis.call('HDEL', KEYS[1], '#m')
end
return tell(found, '* 0 0 0 0', unique, ARGV[1])
"""
)

SCRIPTS = (ENROL, BEAT, ACCUSE, PUBLISH, PURGE, UNITE, SKETCH)
