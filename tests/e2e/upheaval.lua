-- Asks in turn for what is denied, what is limited, and what is free, and counts what comes: see upheaval.sh. Free
-- requests have a limit that is never used up, whose RateLimit fields show that the agent has decided.
local threads = {}
local paths = { "/denied", "/limited", "/free", "/free" }
local n = 0

function setup(thread)
    table.insert(threads, thread)
end

function init()
    average_delay = tonumber(os.getenv("DELAY_MS") or 10)
    undecided, decided, wrong, first_wrong = 0, 0, 0, ""
end

-- Milliseconds that each connection waits before it asks again, so that the machine is not what is measured. By chance, or
-- all would ask at the same moment after each pause.
function delay()
    return math.random(0, 2 * average_delay)
end

function request()
    n = n % #paths + 1
    return wrk.format("GET", paths[n])
end

-- Keep-alive connections answer in order, but each on its own: what a 200 is the answer to, only its header tells.
function response(status, headers)
    if status == 403 or status == 429 or (status == 200 and headers["ratelimit-limit"]) then
        decided = decided + 1
    elseif status == 200 then
        undecided = undecided + 1
    else
        wrong = wrong + 1
        first_wrong = tostring(status)
    end
end

function done(summary, latency)
    local total = { decided = 0, undecided = 0, wrong = 0 }
    local status = ""
    for _, thread in ipairs(threads) do
        for name in pairs(total) do
            total[name] = total[name] + thread:get(name)
        end
        status = status .. thread:get("first_wrong")
    end
    local e = summary.errors
    print(string.format("requests=%d decided=%d undecided=%d wrong=%d %s errors=%d", summary.requests, total.decided,
        total.undecided, total.wrong, status, e.connect + e.read + e.write + e.timeout))
    print(string.format("connect=%d read=%d write=%d timeout=%d longest=%.0fms", e.connect, e.read, e.write, e.timeout,
        latency and latency.max / 1000 or 0))
end
