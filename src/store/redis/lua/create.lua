-- Creates one session, after its lease was acquired. For a Cluster, where the two are in different
-- slots; elsewhere create_with_lease.lua does both. The text is that of create_session.lua, this
-- file and reply_created.lua.
--
-- KEYS     1 the session's hash
-- ARGV     1 nonce of this call; then those of create_session.lua
-- Reply    nonce 'C' ttl   created; ttl is the milliseconds until the session expires
--          With timestamps, an array (reply_created.lua).
local created = ARGV[1] .. 'C' .. ttl
