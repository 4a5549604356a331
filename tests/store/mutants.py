"""Breaks one script at a time, and shows that the machine, or a named test, sees it; `bin/mutants`.

An edit must match its script exactly once, so that a mutant never goes out of date unseen. Some mutants the
machine can not see: times, events, and what no caller of the store does. Others it sees late: an example costs 0.16 s
of CPU, and some took a hundred. For both stand the tests that must.
"""

import json
import os
import sys
import tempfile
import time
import warnings
from collections import deque
from pathlib import Path
from typing import NamedTuple

import gevent
import pytest
from gevent import monkey

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / 'tests'), str(ROOT / 'tests/store')]

from hands import Hands
from hypothesis import Phase
from machine import run_machine
from support import TestServer

from pytask.embedded.binaries import find_server
from pytask.store import Store, lua_source

SEEDS, EXAMPLES, STEPS = (1, 2, 3), 200, 50


class Mutant(NamedTuple):
    name: str
    script: str
    edits: tuple[tuple[str, str], ...]
    tests: str = ''  # files that must see it, where the machine can not


def m(name, script, old, new='', tests=''):
    return Mutant(name, script, ((old, new),), tests)


NOT_OURS = "if v[1] ~= token or v[2] ~= 'RUNNING' then"
MUTANTS = [
    m('finish takes any token', 'finish', 'if v[1] ~= token then', 'if not v[1] then', 'test_script_finish'),
    m('finish keeps the lease', 'finish', "if #done > 0 then redis.call('ZREM', leases, unpack(done)) end"),
    m('finish again overwrites', 'finish', "elseif v[2] ~= 'RUNNING' then", "elseif v[2] == 'WAIT' then"),
    m('finish of a waiting run is DUP', 'finish', "v[2] == 'WAIT' and 'STALE' or 'DUP'", "'DUP'", 'test_script_finish'),
    m('finish counts a batch as one', 'finish', '(counts[counter] or 0) + 1', '1'),
    m('finish hands no end on', 'finish', 'if is_handed_on then hand_on(id) end'),
    m('finish keeps a stop', 'finish', 'if v[4] or v[5] or v[7]', 'if v[5] or v[7]', 'test_script_command'),
    m('finish indexes without a time', 'finish', 'scores[state], now_ms)', 'scores[state], 1)', 'test_script_finish'),
    m('finish tells no end', 'finish', 'publish(id, string.lower(state),', 'tostring(string.lower(state),', 'test_script_finish'),
    m('release takes any token', 'release', NOT_OURS, "if v[2] ~= 'RUNNING' then", 'test_script_release'),
    m('release keeps the lease', 'release', "    redis.call('ZREM', leases, id)\n", '', 'test_script_release'),
    m('release pushes nothing', 'release', "redis.call('RPUSH', line_of(v[6]), id)", '', 'test_script_release'),
    m('release ignores a stop', 'release', 'if v[4] and v[4] == v[5] then', 'if false then', 'test_script_release'),
    m('release goes to the back', 'release', "'RPUSH'", "'LPUSH'", 'test_script_release'),
    m('renew takes any token', 'renew', 'if v[7] ~= ARGV[i + 1] then', 'if not v[7] then', 'test_script_renew'),
    m('renew tells no stop', 'shared/reminders', 'if v[2] and v[2] == v[1] then', 'if false then', 'test_script_command'),
    m('renew forgives crashes at once', 'shared/guilt', '> 60 then', '> -1 then', 'test_suspects'),
    m('renew leases what has ended', 'renew', "elseif v[8] == 'RUNNING' then", 'else', 'test_script_renew'),
    m('emit takes any token', 'emit', "v[1] == ARGV[i + 1] and v[2] == 'RUNNING'", "v[2] == 'RUNNING'", 'test_script_emit'),
    m('emit writes after the end', 'emit', " and v[2] == 'RUNNING'", '', 'test_script_emit'),
    m('emit keeps no message', 'emit', "if kept ~= '' then keep(id, kept, v[3], v[4]) end", '', 'test_script_emit'),
    m('emit keeps all messages', 'emit', "  redis.call('LTRIM', list, -MOST, -1)\n", '', 'test_script_emit'),
    m('emit keeps the first messages', 'emit', "list, -MOST, -1)", 'list, 0, MOST - 1)', 'test_script_emit'),
    m('emit keeps messages of another run', 'emit', "redis.call('UNLINK', list)", '', 'test_script_emit'),
    m('emit keeps messages of local runs for ever', 'emit', 'if is_local then', 'if false then', 'test_script_emit'),
    m('emit fails where messages can not go', 'emit', "redis.pcall('RPUSH'", "redis.call('RPUSH'", 'test_script_emit'),
    m('finish lets messages of local runs end', 'finish', "      redis.call('PERSIST', messages .. id)\n", '',
      'test_script_emit'),
    m('prune leaves the messages', 'prune', ', messages .. id,', ',', 'test_script_emit'),
    m('reloaded takes any token', 'answer_reload', "v[1] ~= token or v[2] ~= 'RUNNING'", "v[2] ~= 'RUNNING'", 'test_script_answer_reload'),
    Mutant('claim pops first, and reads unguarded', 'claim', (
        ('local looked = 0\n', "local looked = 0\nredis.call('LTRIM', line, 0, -#ids - 1)\n"),
        ("redis.call('LTRIM', line, 0, -looked - 1)\n", ''),
        ("local v = redis.pcall('HMGET', runs .. id, 'task'", "local v = redis.call('HMGET', runs .. id, 'task'"),
    ), 'test_claim_drops'),
    m('claim pops more than it looked at', 'claim', '-looked - 1)', '-#ids - 1)', 'test_script_claim'),
    m('claim starts what has ended', 'claim', "if state and state ~= '' and state ~= 'WAIT' then return end",
      "if state == 'RUNNING' then return end"),
    m('claim starts what runs', 'claim', "state ~= 'WAIT' then return end",
      "state ~= 'WAIT' and state ~= 'RUNNING' then return end"),
    m('claim takes what is leased', 'claim', "if redis.call('ZSCORE', leases, id) then", 'if false then',
      'test_claim_drops'),
    m('claim drops what is leased', 'claim', "return redis.call('ZADD', due, now_ms + 1000, id) end --",
      'return end --', 'test_claim_drops'),
    m('claim drops an id without its hash', 'claim', "redis.call('ZADD', due, now_ms + 1000, id)\n    return", 'return',
      'test_claim_drops'),
    m('claim does not know what it knows', 'claim', 'if line ~= suspects and not knows(task, v[7]) then', 'if false then'),
    m('claim keeps an old index', 'claim', "redis.call('ZREM', ended .. state, id)", '', 'test_script_claim'),
    m('claim keeps what crashed a life ago', 'claim', "local crashes = not v[8] and v[9]", 'local crashes = v[9]',
      'test_suspects'),
    m('claim keeps evidence of a life ago', 'claim', 'forgive(id)', '', 'test_suspects'),
    m('claim keeps evidence in company', 'claim', "redis.call('HDEL', runs .. id, 'alone') end --", 'end --', 'test_suspects'),
    m('claim diverts no suspect', 'claim', 'if not is_suspect(id, crashes) or', 'if true or', 'test_script_pause'),
    m('claim loses suspects of other queues', 'claim', "if #passed > 0 then redis.call('LPUSH', line, unpack(passed)) end", '', 'test_paused'),
    m('claim takes suspects of other queues', 'shared/suspect', "home .. ',', 1, true) then return false end",
      "home .. ',', 1, true) then return true end", 'test_suspects'),
    m('claim marks nobody as alone', 'claim', 'if #granted > 0 and line == suspects then try(granted) end', '', 'test_suspects'),
    m('no lease is written', 'shared/grant', "redis.call('ZADD', leases, unpack(scores))"),
    m('a grant is not given again', 'shared/grant', 'if before[1] ~= nonce then', 'if true then'),
    m('a grant is given again to strangers', 'shared/grant',
      "v[2] == 'RUNNING' and v[1] == v[5] .. ':' .. nonce .. ':' .. worker", "v[2] == 'RUNNING'", 'test_script_claim'),
    m('a grant is given again after its end', 'shared/grant', "if v[2] == 'RUNNING' and v[1]", 'if v[1]', 'test_script_claim'),
    m('parked in no list', 'shared/set_aside', "redis.pcall('LPUSH', parked .. task, id)", '1'),
    m('company is no company', 'shared/suspect', 'if #granted == 1 and', 'if true and', 'test_suspects'),
    m('company granted keeps its evidence', 'shared/suspect',
      "for _, id in ipairs(granted) do redis.call('HDEL', runs .. id, 'alone') end", '', 'test_suspects'),
    m('all suspects at once', 'shared/suspect', 'math.ceil(same / 2)', 'same', 'test_suspects'),
    m('second entries count', 'shared/suspect', " and not seen[ids[i]]", '', 'test_suspects'),
    m('entries of others count', 'shared/suspect', "v[1] == 'WAIT' and", 'true and', 'test_suspects'),
    m('trials grow never', 'shared/suspect', '2 * size or 0', '0', 'test_suspects'),
    m('trials grow for who died more often', 'shared/suspect', '<= tonumber(outlived)', '>= 0', 'test_suspects'),
    m('the acquitted are company', 'shared/suspect', 'is_suspect(ARGV[i], v[3])', 'true', 'test_suspects'),
    m('the acquitted are tried again at once', 'shared/guilt', "math.floor(tonumber(crashes)) + CREDIT", '0', 'test_suspects'),
    m('acquitted in no time', 'shared/guilt', 'math.max(10, ', 'math.max(0, ', 'test_suspects'),
    m('acquitted before they lived as long as then', 'shared/guilt', 'math.min(30, 2 * lived_s)', '0', 'test_suspects'),
    m('more suspects at any time', 'claim', 'if is_trying() then', 'if false then', 'test_suspects'),
    m('suspects after one crash', 'shared/guilt', 'CONVICTED_AT = 2, 5', 'CONVICTED_AT = 1, 5', 'test_suspects'),
    m('an end is counted nowhere', 'shared/end', "redis.call('HINCRBY', stats, state .. ':' .. (task or ''), 1)"),
    m('an end stands in no index', 'shared/end', "redis.call('ZADD', ended .. state, now_ms, id)"),
    m('an end is not handed on', 'shared/end', 'if is_handed_on then hand_on(id) end'),
    m('recover pushes nothing', 'recover', "redis.call('LPUSH', line_of(v[5]), id)"),
    m('recover pushes no suspect', 'recover', "type(redis.pcall('RPUSH', suspects, id)) == 'table'", 'false'),
    m('recover ignores a stop', 'recover', "if v[6] and v[6] == v[3] then", 'if false then'),
    m('recover takes one look', 'recover', 'tonumber(deadline) == tonumber(ARGV[i + 1]) and', '', 'test_script_recover'),
    m('recover takes a living lease', 'recover', 'is_overdue(tonumber(deadline))', 'true', 'test_script_recover'),
    m('recover keeps the token', 'recover', "runs .. id, 'token', 'stop'", "runs .. id, 'stop'"),
    m('recover refuses no reload that killed', 'recover', 'hand_over_reload(id, not is_alive)', 'hand_over_reload(id, false)',
      'test_script_begin_reload'),
    m('what was built is lost', 'shared/handover', "redis.call('HSET', key, 'data', v[2])", '', 'test_script_begin_reload'),
    m('a stop names any attempt', 'command', "attempt == '' or attempt == now_runs", 'true', 'test_script_command'),
    m('what another attempt heard stops what waits', 'command', "if attempt ~= '' then return 'STALE' end", '',
      'test_script_command'),
    m('the last grace stands', 'command', "<= tonumber(grace)", '< -1', 'test_script_command'),
    m('a dead worker is told', 'stop_worker', "<= now_ms then", '< 0 then', 'test_script_stop_worker'),
    m('recover counts every loss', 'recover', 'if not is_alive then', 'if true then'),
    m('recover counts no crash', 'recover', 'if not is_alive then', 'if false then'),
    m('convicted at once', 'shared/guilt', 'CONVICTED_AT = 2, 5', 'CONVICTED_AT = 2, 1', 'test_suspects'),
    m('nobody is convicted', 'shared/guilt', 'CONVICTED_AT = 2, 5', 'CONVICTED_AT = 2, 1000', 'test_suspects'),
    m('a crash is not counted alone', 'shared/guilt', "alone and add(id, 'alone', 1) or 0", '0', 'test_suspects'),
    m('nobody is pardoned', 'shared/guilt', 'if v[1] ~= token or', 'if true or', 'test_suspects'),
    m('pardoned by any claim', 'shared/guilt', 'if v[1] ~= token or', 'if not v[1] or', 'test_suspects'),
    m('pardoned after the end', 'shared/guilt', " or v[3] ~= 'WAIT' and v[3] ~= 'RUNNING'", '', 'test_suspects'),
    m('who is no suspect is alone', 'shared/suspect', ' and is_suspect(granted[1], crashes)', '', 'test_suspects'),
    m('pardoned again and again', 'shared/guilt', "redis.call('HDEL', runs .. id, 'fallen')", '', 'test_suspects'),
    m('a pardoned crash counts alone', 'shared/guilt', "if (tonumber(v[2]) or 0) > 0 then add(id, 'alone', -1) end", '', 'test_suspects'),
    m('convicts never end', 'recover', "redis.call('ZADD', due, now_ms + 2 * lease_ms, id)", '', 'test_suspects'),
    m('convicts end at once', 'recover', 'now_ms + 2 * lease_ms, id', 'now_ms, id', 'test_suspects'),
    m('promote convicts who runs', 'promote', "v[2] == 'WAIT' and is_convict(v[4])", 'is_convict(v[4])', 'test_suspects'),
    m('retry leaves the index', 'shared/revive', "redis.call('ZREM', ended .. state, id)", '', 'test_script_flows'),
    m('retry pushes nothing', 'retry', "redis.call('LPUSH', line_of(v[3]), id)", '', 'test_script_retry'),
    m('retry forgives no crash', 'shared/revive', 'forgive(id)', '', 'test_script_retry'),
    m('retry leaves its end to the handler', 'shared/revive', "redis.call('ZREM', end_task, id)", '', 'test_end_task'),
    m('start overwrites', 'start', 'if found == 0 then', 'if true then'),
    m('start pushes nothing', 'start', "redis.call('LPUSH', line, unpack(ids))"),
    m('stop of a waiting run is only said', 'command', "end_run(id, task, 'STOPPED', 'stop')"),
    m('stop leaves an old index', 'command', "redis.call('ZREM', ended .. old, id)", '', 'test_script_command'),
    m('stop of a running run is only told', 'command', "redis.call('HSET', key, 'stop', now_runs)"),
    m('extend shortens', 'extend', 'or now_until > tonumber(until_ms)', 'or true', 'test_script_extend'),
    m('extend is for any attempt', 'extend', "before ~= attempt or", 'not before or', 'test_script_extend'),
    m('extend is only told', 'extend', "redis.call('HSET', key, 'extended',", "tostring(", 'test_script_extend'),
    m('extend forgets the total', 'extend', 'total + seconds', 'seconds', 'test_script_extend'),
    m('extend takes a total for more', 'extend', "not timeout or string.sub", "string.sub", 'test_script_extend'),
    m('claim grants no limit', 'shared/grant', "id, timeout or ''", "id, ''", 'test_script_extend'),
    m('start keeps no limit', 'start', "if timeout ~= '' then", 'if false then', 'test_script_extend'),
    m('claim starts what is paused', 'shared/paused', 'if is_run_paused then', 'if false then', 'test_paused'),
    m('claim drops what is paused', 'shared/paused', "    hold(id)\n", '', 'test_script_pause'),
    m('claim asks for no paused queue', 'claim', "is_paused('queue', queue) or ", '', 'test_paused'),
    m('claim asks for no paused task', 'shared/paused', 'elseif is_task_paused then', 'elseif false then', 'test_paused'),
    m('parked runs of a paused queue start', 'shared/paused', "is_paused('queue', home) or ", '', 'test_paused'),
    m('parked runs of a paused task end', 'claim', " and reason ~= 'paused' then", ' then', 'test_paused'),
    m('held takes what is due', 'shared/hold', "if not redis.call('ZSCORE', due, id) then", 'if true then', 'test_script_pause'),
    m('release pushes what is paused', 'release', 'if v[7] then hold(id) else', 'if false then hold(id) else', 'test_script_pause'),
    m('recover pushes what is paused', 'recover', 'elseif v[10] then', 'elseif false then', 'test_script_pause'),
    m('an end leaves a pause', 'shared/end', "'reloading', 'paused')", "'reloading')"),
    m('finish leaves a pause', 'finish', 'if v[4] or v[5] or v[7]', 'if v[4] or v[5]', 'test_script_pause'),
    m('renew tells of no pause', 'shared/reminders', "if v[6] then say(id, 'PAUSED') end", '', 'test_script_pause'),
    m('pause is only told', 'pause', "redis.call('HSET', key, 'paused', now)"),
    m('pause holds what runs', 'pause', "if v[2] == 'RUNNING' then", 'if false then', 'test_script_pause'),
    m('resume pushes nothing', 'resume', "redis.call('RPUSH', line_of(v[6]), id)", '', 'test_script_flows'),
    m('resume leaves it held', 'resume', "line_of(v[6]), id)\n  redis.call('ZREM', held, id)", 'line_of(v[6]), id)', 'test_script_pause'),
    m('resume goes to the back', 'resume', "'RPUSH'", "'LPUSH'", 'test_script_pause'),
    m('promote leaves what was due', 'promote', "redis.call('ZREM', due, id)", '', 'test_script_promote'),
    m('promote pushes nothing', 'promote', "redis.call('LPUSH', line_of(v[3]), id)", '', 'test_script_promote'),
    m('handle hides nothing', 'take_ended', 'now_ms + visible_ms', 'now_ms', 'test_end_task'),
    m('handled lets go of the next end', 'release_ended', "~= '0' then", "~= '' then"),
    m('handled lets nothing go', 'release_ended', "redis.call('ZREM', end_task, ARGV[i])", '', 'test_end_task'),
    m('prune takes what is unhandled', 'prune', ' or v[4] and is_wanted(id)', '', 'test_end_task'),
    m('prune keeps what nobody wants', 'prune', "is_handed_on and redis.call('ZSCORE', end_task, id)", 'is_handed_on'),
    m('prune takes what runs', 'prune', " or v[2] == 'RUNNING' then", ' then', 'test_script_prune'),
    m('prune leaves the index', 'prune', "redis.call('ZREM', ended .. v[2], id)"),
    m('sweep leases what has ended', 'sweep', "if v[1] == 'RUNNING' and", 'if v[1] and', 'test_script_sweep'),
    m('sweep leases nothing', 'sweep', "redis.call('ZADD', leases, now_ms, id)", '', 'test_script_sweep'),
    m('sweep ends living leases', 'sweep', " and not redis.call('ZSCORE', leases, id)", '', 'test_script_sweep'),
    m('send to what has ended', 'send', "v[2] ~= 'WAIT' and v[2] ~= 'RUNNING'", 'false', 'test_script_send'),
    m('send without end', 'shared/inbox', "redis.call('LLEN', inbox) >= tonumber(max_messages) or", 'false or', 'test_script_send'),
    m('send of any size', 'shared/inbox', 'size > tonumber(max_bytes)', 'false', 'test_script_send'),
    m('send tells nobody', 'send', "if v[2] == 'RUNNING' then", 'if false then', 'test_script_send'),
    m('send to a local run for ever', 'send', 'if v[3] then', 'if false then', 'test_script_send'),
    m('taken by any token', 'next_message', 'v[1] ~= token or', '', 'test_script_next_message'),
    m('taken from who waits', 'next_message', " or v[2] ~= 'RUNNING'", '', 'test_script_next_message'),
    m('taken twice', 'shared/inbox', 'string.sub(first, 1, #handled) == handled', 'true', 'test_script_next_message'),
    m('taken leaves its mark', 'shared/inbox', "if not first then redis.call('HDEL', runs .. id, 'inbox') end", '', 'test_script_next_message'),
    m('taken frees no room', 'shared/inbox', '- #first', '', 'test_script_send'),
    m('claim tells of no message', 'claim', '    v[11], v[12])', '    v[11])', 'test_script_send'),
    m('a grant given again tells of no message', 'shared/grant', '-1, v[6], v[7])', '-1, v[6])', 'test_script_send'),
    m('renew tells of no message', 'shared/reminders', 'elseif v[4] or v[5] then', 'elseif v[4] then', 'test_script_send'),
    m('finish keeps the inbox', 'finish', 'if v[8] then empty_inbox(id) end', '', 'test_script_send'),
    m('an end keeps the inbox', 'shared/end', "if v[1] then empty_inbox(id) end",
      '', 'test_script_send'),
    m('prune leaves the inbox', 'prune', ', inboxes .. id,', ',', 'test_script_send'),
    m('start forgets a time', 'start', "if at > now_ms then", 'if false then', 'test_script_start'),
    m('start pushes what has a time', 'start', 'if at <= now_ms then', 'if true then', 'test_script_start'),
    m('start counts a delay from 1970', 'start', 'and now_ms + tonumber(text)', 'and tonumber(text)', 'test_script_start'),
    m('start hides a time', 'start', "redis.call('HSET', runs .. id, 'at',", "tostring(", 'test_script_start'),
    m('retry keeps a time', 'shared/revive', "'unhandled', 'at')", "'unhandled')", 'test_script_start'),
    m('declared anew by every worker', 'declare_schedule', "return 'SAME' end", "tostring(1) end", 'test_script_declare_schedule'),
    m('other data is another time', 'declare_schedule', "if has_trigger then return 'CHANGED' end", '', 'test_script_declare_schedule'),
    m('another trigger keeps its time', 'declare_schedule', 'is_there and v[4] == trigger', 'is_there', 'test_script_declare_schedule'),
    m('other data is not written', 'declare_schedule', ' and v[1] == task and v[2] == queue and v[3] == data', '', 'test_script_declare_schedule'),
    m('a changed schedule is not paused', 'declare_schedule', "v[5] and '+inf' or next", 'next', 'test_script_declare_schedule'),
    m('missed for ever', 'declare_schedule', "'last_run', 'missed')", "'last_run')", 'test_script_declare_schedule'),
    m('no miss is told', 'declare_schedule', "missed == '1' and 'MISSED' or ", '', 'test_script_declare_schedule'),
    m('nothing is missed', 'declare_schedule', "if missed == '1' then", 'if false then', 'test_script_declare_schedule'),
    m('fires again', 'fire_schedule', 'stands_at ~= tonumber(at) or ', '', 'test_script_fire_schedule'),
    m('fires early', 'fire_schedule', ' or stands_at > now_ms', '', 'test_script_fire_schedule'),
    m('fires and stays', 'fire_schedule', "redis.call('ZADD', schedules, next, name)", '', 'test_script_fire_schedule'),
    m('fires over a run', 'fire_schedule', "redis.pcall('HEXISTS', runs .. id, 'task') == 0", 'true', 'test_script_fire_schedule'),
    m('fires without a push', 'fire_schedule', "redis.pcall('LPUSH', line_of(v[2]), id)", '1', 'test_script_fire_schedule'),
    m('fires into a wrong key', 'fire_schedule', "string.find(pushed.err, 'WRONGTYPE') and 'REFUSED' or pushed", 'pushed', 'test_script_fire_schedule'),
    m('a paused schedule keeps its time', 'pause_schedule', "redis.call('ZADD', schedules, '+inf', name)", '', 'test_script_pause_schedule'),
    m('a schedule is paused anew', 'pause_schedule', 'HSETNX', 'HSET', 'test_script_pause_schedule'),
    m('what is not paused is resumed', 'resume_schedule', "then return 'REFUSED' end", 'then end', 'test_script_pause_schedule'),
    m('a resumed schedule has no time', 'resume_schedule', "redis.call('ZADD', schedules, next, name)", '', 'test_script_pause_schedule'),
    m('a resumed date is not missed', 'resume_schedule', "if missed == '1' then", 'if false then', 'test_script_pause_schedule'),
    m('what code has is removed', 'remove_schedule', "then return 'REFUSED' end", 'then end', 'test_script_pause_schedule'),
    m('the dead keep schedules', 'remove_schedule', 'workers, now_ms,', 'workers, 0,', 'test_script_pause_schedule'),
    m('names are taken for others', 'remove_schedule', r"'\n' .. name .. '\n'", 'name', 'test_script_pause_schedule'),
    m('sweep leases local runs', 'sweep', ' and not v[2]', '', 'test_script_sweep'),
    m('advance takes any token', 'advance_flow', 'v[1] ~= token or', '', 'test_script_flows'),
    m('advance after the end', 'advance_flow', " or v[2] ~= 'RUNNING'", '', 'test_script_flows'),
    m('advance twice', 'advance_flow', "if at == position + 1 then return 'OK' end", '', 'test_script_flows'),
    m('advance from anywhere', 'advance_flow', "if at ~= tonumber(position) then return 'STALE' end", '', 'test_script_flows'),
    m('advance saves no state', 'advance_flow', ", 'saved', saved)", ')', 'test_script_flows'),
    m('advance stands still', 'advance_flow', "'position', at + 1, ", '', 'test_script_flows'),
    m('advance keeps the last task', 'advance_flow', "if step == '' then redis.call('HDEL', run, 'step') end", '',
      'test_script_flows'),
    m('advance waits on', 'advance_flow', "run, 'wait', 'until', 'child', 'extended')", "run, 'extended')", 'test_script_flows'),
    m('advance keeps the end of the child', 'advance_flow', "redis.call('HDEL', flows .. id, 'ended', 'offload')", '',
      'test_script_flows'),
    m('advance keeps what was submitted', 'advance_flow', '  forget_submits(id)', '', 'test_script_flows'),
    m('advance keeps its message', 'shared/inbox', "~= 17 then", '== 17 then', 'test_script_flows'),
    m('advance forgives nobody', 'advance_flow', 'if v[5] then forgive(id) end', '', 'test_script_flows'),
    m('advance tells nobody', 'advance_flow', 'publish(id,', 'tostring(id,', 'test_script_flows'),
    m('place takes any token', 'place_flow', 'v[1] ~= token or', '', 'test_script_flows'),
    m('place moves it', 'place_flow', "'HSETNX'", "'HSET'", 'test_script_flows'),
    m('wait takes any token', 'hold_flow', "v[1] ~= token or v[2] ~= 'RUNNING'", "v[2] ~= 'RUNNING'", 'test_script_flows'),
    m('wait keeps the lease', 'hold_flow', "redis.call('ZREM', leases, id)\n", '', 'test_script_flows'),
    m('wait keeps the token', 'hold_flow', "redis.call('HDEL', key, 'token', 'worker')", '', 'test_script_flows'),
    m('wait ignores a stop', 'hold_flow', 'if v[4] and v[4] == v[5] then', 'if false then', 'test_script_flows'),
    m('wait ignores a pause', 'hold_flow', 'if v[6] then hold(id) end', '', 'test_script_flows'),
    m('wait saves no state', 'hold_flow', "redis.call('HSET', flow, 'saved', saved)", '', 'test_script_flows'),
    m('wait keeps its message', 'hold_flow', 'take_out(id, message, v[7]) or', 'v[7] or', 'test_script_flows'),
    m('wait misses the end of a child', 'hold_flow', " or redis.call('HEXISTS', flow, 'ended') == 1", '', 'test_script_flows'),
    m('wait misses a message', 'hold_flow', 'take_out(id, message, v[7]) or', 'take_out(id, message, v[7]) and false or',
      'test_script_flows'),
    m('wait keeps the end of its child', 'hold_flow', "if is_child_over == '1' then", 'if false then', 'test_script_flows'),
    m('wait keeps the end of another child', 'hold_flow', "  redis.call('HDEL', flow, 'ended', 'offload')\n  redis.call('HSET', runs",
      "  redis.call('HSET', runs", 'test_script_flows'),
    m('wait takes an id that is in use', 'hold_flow', "repeat n = n + 1 until redis.pcall('HEXISTS', runs .. id .. '.' .. n, 'task') == 0",
      'n = n + 1', 'test_script_flows'),
    m('wait pushes no child', 'hold_flow', "redis.call('LPUSH', line_of(queue), child)", '', 'test_script_flows'),
    m('wait counts no child', 'hold_flow', "'children', n, ", '', 'test_script_flows'),
    m('wait for ever', 'hold_flow', "at == math.huge and '+inf'", "true and '+inf'", 'test_script_flows'),
    m('wait for the later', 'hold_flow', 'math.min(', 'math.max(', 'test_script_flows'),
    m('a child has no parent', 'hold_flow', "'created', now,\n    'parent', id)", "'created', now)", 'test_script_flows'),
    m('a child that is a flow has no step', 'hold_flow', "'position', 0, 'step', step)", "'position', 0)", 'test_script_flows'),
    m('wakes what was not held', 'shared/wake', "and redis.call('ZREM', held, id) == 1 then", "then redis.call('ZREM', held, id)",
      'test_script_flows'),
    m('wakes what is paused', 'shared/wake', ' and not v[3]', '', 'test_script_flows'),
    m('wakes what was not submitted', 'shared/wake', "v[1] == 'WAIT' and v[2]", "v[1] == 'WAIT'", 'test_script_flows'),
    m('wakes nobody', 'shared/wake', "redis.call('LPUSH', line_of(v[4]), id)", '', 'test_script_flows'),
    m('finish tells no parent', 'finish', 'if v[9] or v[3] == FLOW then', 'if v[3] == FLOW then', 'test_script_flows'),
    m('finish leaves the children', 'finish', 'if v[9] or v[3] == FLOW then', 'if v[9] then', 'test_script_flows'),
    m('an end tells no parent', 'shared/end', 'if v[2] or task == FLOW then', 'if task == FLOW then', 'test_script_flows'),
    m('an end leaves the children', 'shared/end', 'if v[2] or task == FLOW then', 'if v[2] then', 'test_script_flows'),
    m('any child wakes its flow', 'shared/relatives', "~= id then return end", "== '' then return end", 'test_script_flows'),
    m('the end of a child is only told', 'shared/relatives', "redis.call('HSET', flows .. parent, 'ended', state, 'offload', output)",
      '', 'test_script_flows'),
    m('the end of a child wakes nobody', 'shared/relatives', 'wake(parent)', '', 'test_script_flows'),
    m('strangers are stopped', 'shared/relatives', 'if v[1] ~= parent then return end', '', 'test_script_flows'),
    m('a child that runs is not stopped', 'shared/relatives', "redis.call('HSET', key, 'stop', v[4] or '0')", '', 'test_script_flows'),
    m('a child that runs is not told', 'shared/relatives', "redis.call('PUBLISH', key .. '-control',", 'tostring(', 'test_script_flows'),
    m('a child that waits is not stopped', 'shared/relatives', "end_run(id, v[2], 'STOPPED', 'stop')", '', 'test_script_flows'),
    m('a child that is held stays so', 'shared/relatives', "redis.call('ZREM', held, id)", '', 'test_script_flows'),
    m('a flow that went well stops its children', 'shared/relatives', "if state == 'SUCCESS' then return end", '', 'test_script_flows'),
    m('the error of a step is lost', 'shared/relatives', "if state ~= 'STOPPED' then", 'if false then', 'test_script_flows'),
    m('a stop is an error of its step', 'shared/relatives', "if state ~= 'STOPPED' then", 'if true then', 'test_script_flows'),
    m('what has ended waits on', 'shared/relatives', "'wait', 'until', 'child', 'draft')", "'until')", 'test_script_flows'),
    m('promote looks at nobody who waits', 'promote', '  wake(id)\n', '', 'test_script_flows'),
    m('promote keeps ghosts', 'promote', "redis.call('ZREM', held, id) --", '--', 'test_script_flows'),
    m('claim asks for the task of flows', 'claim', "v[1] == FLOW and v[13] or v[1]", 'v[1]', 'test_script_flows'),
    m('claim grants the task of a step', 'claim', 'grant(id, v[1],', 'grant(id, task,', 'test_script_flows'),
    m('claim leaves it held', 'claim', "redis.call('ZREM', held, id)", '', 'test_script_flows'),
    m('claim submits nothing', 'claim', "redis.call('HDEL', runs .. id, 'draft')", '', 'test_script_flows'),
    m('resume submits', 'resume', 'if was_held and not v[7] then', 'if was_held then', 'test_script_flows'),
    m('resume tells no reason', 'resume', "if v[7] then redis.call('HSET', key, 'reason', 'not submitted') end", '',
      'test_script_flows'),
    m('send wakes nobody', 'send', 'if v[1] == FLOW then wake(id) end', '', 'test_script_flows'),
    m('flow overwrites', 'accept_flow', "if redis.pcall('HEXISTS', runs .. id, 'task') ~= 0 then return 'EXISTS' end", '',
      'test_script_flows'),
    m('flow is held nowhere', 'accept_flow', "redis.call('ZADD', held, '+inf', id)", '', 'test_script_flows'),
    m('submit to any task', 'submit_flow', "if v[1] ~= FLOW then return 'REFUSED' end", '', 'test_script_flows'),
    m('submit again', 'submit_flow', 'if is_going and v[4] then', 'if is_going then', 'test_script_flows'),
    m('submit keeps no data', 'submit_flow', "redis.call('HSET', key, 'data', data)", '', 'test_script_flows'),
    m('submit what is paused', 'submit_flow', "if v[6] then return 'APPLIED' end", '', 'test_script_flows'),
    m('submit leaves it held', 'submit_flow', "redis.call('ZREM', held, id)", '', 'test_script_flows'),
    m('submit wakes nobody', 'submit_flow', 'wake(id)', '', 'test_script_flows'),
    m('submit without end', 'submit_flow', "then return 'FULL' end", 'then end', 'test_script_flows'),
    m('submit tells what is too large', 'submit_flow', "if message == '' then return 'TOO_LARGE' end", '', 'test_script_flows'),
    m('retry forgets where it began', 'retry', 'tonumber(position) or first', 'tonumber(position) or 0', 'test_script_flows'),
    m('retry keeps by whose hand', 'retry', " or string.match(all[i], '^%l+:(%d+)$')", '', 'test_script_flows'),
    m('advance gives all steps more time', 'advance_flow', ", 'extended')", ')', 'test_script_flows'),
    m('claim grants what it was parked for', 'claim', 'parked_task == task and', 'true and', 'test_script_flows'),
    m('submit says yes', 'submit_flow', 'is_going and v[3] == data and', 'is_going and', 'test_script_flows'),
    m('force what runs', 'force_flow', "if state == 'RUNNING' or state == 'SUCCESS' then return state end", '', 'test_script_flows'),
    m('force another step', 'force_flow', "if (v[3] or '0') ~= position then return 'MOVED' end", '', 'test_script_flows'),
    m('force leaves it ended', 'force_flow', "if state ~= 'WAIT' then live_again(id, state) end", '', 'test_script_flows'),
    m('force leaves the child', 'force_flow', "if v[4] then stop_child(v[4], id) end", '', 'test_script_flows'),
    m('force keeps what was submitted', 'force_flow', 'forget_submits(id)', '', 'test_script_flows'),
    m('force resumes', 'force_flow', 'if v[6] then', 'if false then', 'test_script_flows'),
    m('force submits', 'force_flow', 'elseif not v[5] then', 'else', 'test_script_flows'),
    m('force leaves it held', 'force_flow', "redis.call('ZREM', held, id)", '', 'test_script_flows'),
    m('force tells nobody', 'force_flow', 'publish(id,', 'tostring(id,', 'test_script_flows'),
    m('retry of a step of any task', 'retry', " or position ~= '' and v[1] ~= FLOW", '', 'test_script_flows'),
    m('retry keeps results', 'retry', '>= from then', '>= 1000 then', 'test_script_flows'),
    m('retry forgets results', 'retry', '>= from then', '>= 0 then', 'test_script_flows'),
    m('retry keeps the state', 'retry', "if from <= first then", 'if false then', 'test_script_flows'),
    m('retry forgets the state', 'retry', "if from <= first then", 'if true then', 'test_script_flows'),
    m('retry keeps the task of a step', 'retry', "redis.call('HDEL', key, 'step')", '', 'test_script_flows'),
    m('retry of what went well ends at once', 'retry', " or v[2] == 'SUCCESS'", '', 'test_script_flows'),
    m('prune leaves the flow', 'prune', ', flows .. id)', ')', 'test_script_flows'),
    m('the same steps are another version', 'define_routine', "if version > 0 and known == steps then return version end", '',
      'test_script_flows'),
]  # fmt: skip


def break_it(mutant):
    """Have the scripts of this process broken; each edit must match once."""
    read = lua_source._read.__wrapped__

    def broken(name):
        text = read(name)
        for old, new in mutant.edits if name == mutant.script else ():
            assert text.count(old) == 1, f'{mutant.name}: {name}.lua has {old!r} {text.count(old)} times'
            text = text.replace(old, new)
        return text

    lua_source._read = broken
    lua_source._source.cache_clear()
    broken(mutant.script)


class Tests:
    """Within a pytest that has collected the named tests: has each mutant judged by its own, until one fails."""

    def __init__(self, mutants):
        self._mutants, self._tests, self._failed = mutants, {}, []
        self.killed = 0

    def pytest_collectreport(self, report):
        if report.failed:
            print(report.longreprtext)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        if session.testsfailed:
            return True  # while it collected, which has been printed
        for item in session.items:
            self._tests.setdefault(item.path.stem, []).append(item)
        self.killed = judge_all(self._mutants, self._kill)
        return True

    def pytest_runtest_logreport(self, report):
        if report.failed and report.when == 'call':
            self._failed.append(report.location[2].split('[')[0])

    def _kill(self, mutant):
        gevent.reinit()
        items = [item for name in mutant.tests.split() for item in self._tests[name]]
        try:
            for item, following in zip(items, [*items[1:], None], strict=True):
                item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
                if self._failed:
                    return self._failed[0]
        finally:
            items[0].ihook.pytest_sessionfinish(session=items[0].session, exitstatus=0)  # its server ends here
        return ''


def judge_by_tests(mutants):
    """Have mutants judged by the tests that they name, collected once; return how many were killed."""
    if not mutants:
        return 0
    with warnings.catch_warnings(action='ignore'):
        # Late, but in time for what is used here. Judges are plain forks, of a process that has no hub.
        monkey.patch_all(os=False, signal=False)
    tests = Tests(mutants)
    options = ['-sqq', '--no-header', '--no-summary', '-p', 'no:cacheprovider']
    options += ['-W', 'ignore::pytest.PytestAssertRewriteWarning']
    options += ['-k', 'not redis-server and not minimal-user']  # what one kind of server sees is seen
    names = sorted({name for mutant in mutants for name in mutant.tests.split()})
    pytest.main([*options, *(f'tests/store/{name}.py' for name in names)], [tests])
    return tests.killed


def killed_by_machine(mutant):
    with tempfile.TemporaryDirectory() as folder, TestServer(find_server(), Path(folder)) as server:
        hands = Hands(Store(server.url), server.client(), None)
        examples = 0
        for seed in SEEDS:
            died_of, count = run_machine(hands, seed, EXAMPLES, STEPS, phases=[Phase.generate])
            examples += count
            if died_of:
                return f'{first_words(died_of)} ({examples})'
    return ''


def first_words(error):
    rule = [frame for frame in frames(error.__traceback__) if frame.f_code.co_filename.endswith('machine.py')]
    words = (str(error).splitlines() or [''])[0].split(':')[0]
    return f'{rule[-1].f_code.co_name if rule else "?"}: {words or type(error).__name__}'[:78]


def frames(trace):
    while trace:
        yield trace.tb_frame
        trace = trace.tb_next


def judge(mutant, kill):
    """Return who has killed a mutant, and else what there is to say of it."""
    try:
        break_it(mutant)
    except AssertionError as error:  # the edit does not match
        return '', str(error)
    killer = kill(mutant)
    return killer, '' if killer else 'SURVIVED'


class Trial:
    """A mutant before its judge: a fork of this process, where all that takes time to import is there."""

    def __init__(self, mutant, kill):
        self.mutant, self._since, self._told = mutant, time.monotonic(), tempfile.TemporaryFile('w+')  # noqa: SIM115
        self.pid = os.fork()
        if not self.pid:
            self._hold(kill)

    def _hold(self, kill):
        try:
            quiet = os.open(os.devnull, os.O_RDWR)
            for fd in range(3):
                os.dup2(quiet, fd)
            json.dump(judge(self.mutant, kill), self._told)
            self._told.flush()
        finally:
            os._exit(0)

    def end(self):
        """Print how it ended; return whether the mutant was killed."""
        self._told.seek(0)
        killer, failure = json.loads(self._told.read() or '["", "its judge has died"]')
        self._told.close()
        print(f'{self.mutant.name:40} {time.monotonic() - self._since:5.1f} s  {killer or failure}', flush=True)
        return not failure


def judge_all(mutants, kill):
    """Have mutants judged, one on each core; return how many were killed."""
    waiting, trials, killed = deque(mutants), {}, 0
    while waiting or trials:
        while waiting and len(trials) < os.cpu_count():
            trial = Trial(waiting.popleft(), kill)
            trials[trial.pid] = trial
        pid, _ = os.wait()
        killed += trials.pop(pid).end()
    return killed


def main(wanted):
    for word in wanted:
        if not any(word in mutant.name for mutant in MUTANTS):
            print(
                f'no mutant has {word!r} in its name; there are:',
                *sorted(mutant.name for mutant in MUTANTS),
                sep='\n  ',
            )
            return 2
    mutants = [mutant for mutant in MUTANTS if not wanted or any(word in mutant.name for word in wanted)]
    os.chdir(ROOT)
    killed = judge_all([mutant for mutant in mutants if not mutant.tests], killed_by_machine)
    killed += judge_by_tests([mutant for mutant in mutants if mutant.tests])
    print(f'{killed} of {len(mutants)} mutants killed')
    return int(killed < len(mutants))


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
