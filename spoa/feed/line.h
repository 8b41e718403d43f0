/* One line of HAProxy's log feed. Pure.
 *
 * It is a message of RFC 5424 whose structured data haproxy.cfg sets with `log-format-sd`:
 *
 *     <134>1 2026-11-20T09:15:02.123456+00:00 - haproxy 17069 - [rules@32473 time="20/Nov/2026:09:15:02 +0000"
 *     status="200" bytes="73" end="--" tc="0" tr="1" ta="2" path="%2Fitems%2F1" refused="-" asked="1795278222997"
 *     error="-" verdict="allow" stream="-"] and the line for people, which is not looked at
 *
 *     time     when the request began          tc, tr, ta   ms until the connection to the origin, then until its
 *     status   -1 or 0: none                                headers, and all; -1: it did not come to that
 *     bytes    to the client, by its count     path         as asked about, percent-encoded; -: not asked
 *     end      HAProxy's termination state     refused      ban, coarse; other words: for a reason of the configuration
 *     asked    Unix time in ms when the agent was to be asked; -: HAProxy did not come to that
 *     error    of the asking, as SPOE has it   verdict      allow, slow, deny; -: none
 *     stream   1: events that go on as long as the client listens; -: an answer. May be missing.
 *
 * Each name stands there once, in any order; others are skipped. Nothing in it can be made up by a client: what a
 * client says is percent-encoded, and stands nowhere but in `path`. Should an operator add a field that is not encoded,
 * a forged name is there twice, and the line is refused. So is one of the level notice, at which HAProxy logs no
 * requests. */
#ifndef FEED_LINE_H
#define FEED_LINE_H

#include "tally/responses.h"

/* haproxy.cfg lets no longer path through; one that is gets counted without it. */
#define FEED_PATH_MAX 2048

/* `path` of the response is decoded, though not normalised, into `scratch`. False: it is no such line; `*fault` says
 * what is wrong with it. */
bool feed_line_parse(struct span message, struct response *response, char scratch[FEED_PATH_MAX], const char **fault);

#endif
