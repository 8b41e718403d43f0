#include "lib/promise.h"

#include <stdio.h>
#include <stdlib.h>

void admissions_add(struct admissions *log, int64_t at_us)
{
    if (log->n == log->size) {
        log->size = log->size * 2 + 64;
        log->at_us = realloc(log->at_us, log->size * sizeof *log->at_us);
        if (log->at_us == NULL) {
            fputs("no memory\n", stderr);
            exit(1);
        }
    }
    log->at_us[log->n++] = at_us;
}

size_t admissions_since(const struct admissions *log, size_t *cursor, int64_t from_us)
{
    while (*cursor < log->n && log->at_us[*cursor] < from_us)
        ++*cursor;
    return log->n - *cursor;
}

void admissions_fini(struct admissions *log)
{
    free(log->at_us);
    *log = (struct admissions){ 0 };
}

static int64_t period_us(const struct limit *limit)
{
    return (int64_t)limit->period_s * 1000000;
}

static enum promise_verdict exact_verdict(bool expect, bool room)
{
    if (expect == room)
        return PROMISE_KEPT;
    return room ? PROMISE_ADMITTED : PROMISE_REFUSED;
}

static enum promise_verdict judge_sliding(struct promise *p, const struct limit *limit, struct moment now, bool room)
{
    int64_t start_us = now.mono_us - period_us(limit), width_us = period_us(limit) / 50;
    size_t  wide, rounding;

    if (limit->requests > p->most_requests)
        p->most_requests = limit->requests;
    if (room)
        return exact_verdict(admissions_since(&p->log, &p->period, start_us) < limit->requests, room);
    wide = admissions_since(&p->log, &p->wide, start_us - width_us + 1);
    if (wide >= limit->requests)
        return PROMISE_KEPT;
    rounding = p->rounds ? p->most_requests / 625 : 0;
    return wide + rounding >= limit->requests ? PROMISE_ROUNDED : PROMISE_REFUSED;
}

static int64_t window_of(const struct limit *limit, struct moment now)
{
    int64_t period = period_us(limit);

    return now.unix_us >= 0 ? now.unix_us / period : -((-now.unix_us + period - 1) / period);
}

static void enter_window(struct promise *p, const struct limit *limit, struct moment now)
{
    if (p->window != window_of(limit, now)) {
        p->window = window_of(limit, now);
        p->count = 0;
    }
}

static enum promise_verdict judge_fixed(struct promise *p, const struct limit *limit, struct moment now, bool room)
{
    enter_window(p, limit, now);
    return exact_verdict(p->count < limit->requests, room);
}

static enum promise_verdict judge_token(struct promise *p, const struct limit *limit, struct moment now, bool room)
{
    promise_exact tolerance = (promise_exact)period_us(limit) * (limit->burst - 1);

    return exact_verdict(p->arrival - (promise_exact)now.mono_us * limit->requests <= tolerance, room);
}

enum promise_verdict promise_judge(struct promise *p, const struct limit *limit, struct moment now, bool room)
{
    switch (p->algorithm) {
    case LIMIT_SLIDING:
        return judge_sliding(p, limit, now, room);
    case LIMIT_FIXED:
        return judge_fixed(p, limit, now, room);
    default:
        return judge_token(p, limit, now, room);
    }
}

void promise_charge(struct promise *p, const struct limit *limit, struct moment now)
{
    promise_exact exact_now = (promise_exact)now.mono_us * limit->requests;

    switch (p->algorithm) {
    case LIMIT_SLIDING:
        admissions_add(&p->log, now.mono_us);
        if (admissions_since(&p->log, &p->fiftieth, now.mono_us - period_us(limit) / 50) > 65535)
            p->rounds = true;
        break;
    case LIMIT_FIXED:
        enter_window(p, limit, now);
        p->count++;
        break;
    case LIMIT_TOKEN:
        p->arrival = (p->arrival > exact_now ? p->arrival : exact_now) + period_us(limit);
        break;
    }
}

void promise_fini(struct promise *p)
{
    admissions_fini(&p->log);
}
