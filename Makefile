# spoa-rules: build, test, run. `make help` lists what there is.
#
# One library (all of spoa/ but the commands) is compiled once a variant, into build/VARIANT; the programs
# and tests link to it. Variants: release (the default), debug, asan (with UBSan), tsan.

VERSION := 0.1.0
VARIANT ?= release
B       := build/$(VARIANT)
PREFIX  ?= /usr/local

CC       ?= cc
CLANG    ?= clang
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wformat=2 -Wstrict-prototypes \
            -Wmissing-prototypes -Wcast-qual -Wwrite-strings -Wundef -Wvla -Wpointer-arith
# WERROR=-Werror makes warnings errors, as CI and `make lint` do. Not by default: a newer compiler may have new warnings.
WERROR   ?=
# Without FMA contraction or -ffast-math nothing surprises; frame pointers cost little and let perf show stacks. The macros of
# ev.h and the socket calls access objects as another type (ev_watcher, struct sockaddr), which strict aliasing forbids.
ALIASING := -fno-strict-aliasing
BASE     := -std=c11 -D_GNU_SOURCE -DSPOA_VERSION='"$(VERSION)"' -Ispoa -pthread -fno-omit-frame-pointer -fno-common $(ALIASING)
HARDEN   := -fstack-protector-strong -fstack-clash-protection -fPIE $(if $(filter x86_64,$(shell uname -m)),-fcf-protection)

# The daemon and what measures it are linked as one program: a decision takes a tenth less then. Tests use the same objects
# without, which is quicker to link.
LTO            := $(if $(shell $(CC) -v 2>&1 | grep '^gcc'),-flto=auto)
CFLAGS_release := -O3 -g $(HARDEN) -D_FORTIFY_SOURCE=2 $(LTO) $(if $(LTO),-ffat-lto-objects)
LTO_release    := $(if $(LTO),-O3 -g $(LTO) $(HARDEN))
CFLAGS_debug   := -O0 -g3 $(HARDEN)
CFLAGS_asan    := -O1 -g -fPIE -fsanitize=address,undefined -fno-sanitize-recover=undefined
CFLAGS_tsan    := -O1 -g -fPIE -fsanitize=thread
LDFLAGS_asan   := -fsanitize=address,undefined
LDFLAGS_tsan   := -fsanitize=thread

ALL_CFLAGS  := $(BASE) $(WARNINGS) $(WERROR) $(CFLAGS_$(VARIANT)) $(CFLAGS)
ALL_LDFLAGS := -fno-lto -pie -pthread -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--as-needed $(LDFLAGS_$(VARIANT)) $(LDFLAGS)
LIBS        := -lev -lsqlite3 -lpcre2-8 -lmicrohttpd -lm
CHECK_LIBS   = $(shell pkg-config --libs check)

LIB_SRC  := $(wildcard spoa/*/*.c)
MAIN_SRC := $(wildcard spoa/*.c)
GEN_OBJ  := $(patsubst %,$(B)/gen/%.o,rules_sql analytics_sql analytics_2_sql report_css)
LIB_OBJ  := $(LIB_SRC:%.c=$(B)/%.o) $(GEN_OBJ)
TLIB_SRC := $(wildcard tests/lib/*.c)
TLIB_OBJ := $(TLIB_SRC:%.c=$(B)/%.o)
UNITS    := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/test_*.c))
FUZZERS  := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
REPLAYS  := $(FUZZERS:%=$(B)/tests/fuzz/%)
BENCHES  := $(patsubst %.c,build/release/%,$(wildcard tests/bench/*.c))
SCRIPTS  := .ci/run haproxy/run haproxy/check-front haproxy/demo $(wildcard tests/run tests/*/run tests/*/*.sh tests/*/fetch tests/packaging/booted)
SOURCES  := $(shell git ls-files -co --exclude-standard '*.c' '*.h' 2>/dev/null)

comma := ,
space := $(subst ,, )

# One word and a file a step; V=1 shows the commands.
Q := $(if $(V),,@)

.DELETE_ON_ERROR:
.SECONDARY:

## all           build/spoa-rules (the default)
all: build/spoa-rules

build/spoa-rules: build/release/spoa-rules
	$(Q)ln -sf release/spoa-rules $@

$(B)/spoa-rules: $(MAIN_SRC:%.c=$(B)/%.o) $(B)/libspoa.a
	@echo '  LINK  $@'
	$(Q)$(CC) $(ALL_LDFLAGS) $(LTO_$(VARIANT)) -o $@ $^ $(LIBS)

$(B)/libspoa.a: $(LIB_OBJ)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/libtests.a: $(TLIB_OBJ)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/%.o: %.c
	@mkdir -p $(@D); echo '  CC    $@'
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# The schemas travel inside the binary, so that `serve` can create a missing database; so does the report's style sheet.
# $(call embed,NAME): the file $< as the text NAME.
define embed
	@mkdir -p $(@D)
	$(Q){ echo 'extern const char $1[]; const char $1[] = {'; \
	  od -An -v -tx1 $< | sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g'; echo '0};'; } > $@
endef

$(B)/gen/%_sql.c: sql/%.sql ; $(call embed,$*_sql)
$(B)/gen/%_css.c: spoa/store/%.css ; $(call embed,$*_css)

$(B)/gen/%.o: $(B)/gen/%.c
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# ---- tests ----------------------------------------------------------------------------------

# Tests call assert-like macros with casts that the strict set dislikes, and hash arrays whose size gcc knows too well: it warns
# of the branches that XXH3 has for longer ones.
$(B)/tests/%.o: ALL_CFLAGS += -Itests -Wno-conversion -Wno-format-nonliteral -Wno-array-bounds

$(B)/tests/unit/%: $(B)/tests/unit/%.o $(B)/tests/lib/check_timeout.o $(B)/libtests.a $(B)/libspoa.a
	@echo '  LINK  $@'
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(CHECK_LIBS) $(LIBS)

PROTOCOL := $(patsubst tests/protocol/%.c,$(B)/tests/protocol/%,$(wildcard tests/protocol/test_*.c))

$(B)/tests/protocol/%: $(B)/tests/protocol/%.o $(B)/tests/lib/check_timeout.o $(B)/libtests.a $(B)/libspoa.a
	@echo '  LINK  $@'
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(CHECK_LIBS) $(LIBS)

# The fuzz targets' corpora, replayed; `make fuzz` extends them.
$(B)/tests/fuzz/%: $(B)/tests/fuzz/%.o $(B)/tests/fuzz/replay.o $(B)/libtests.a $(B)/libspoa.a
	@echo '  LINK  $@'
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

## test          installs what is missing, builds, runs every test
test: deps-test
	$(MAKE) check-release check-asan check-e2e
	@echo 'all tests passed'

# Compiled by as many processes as there are cores, unless `make -j` says otherwise.
JOBS = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))

# Every Check program and every corpus of one variant.
check-variant: $(B)/spoa-rules $(UNITS) $(PROTOCOL) $(REPLAYS)
	@SPOA_RULES=$(B)/spoa-rules tests/run $(UNITS) $(PROTOCOL)
	@set -e; for fuzzer in $(FUZZERS); do $(B)/tests/fuzz/$$fuzzer tests/fuzz/corpus/$$fuzzer; done

## check-release units, protocol tests, corpora (release build); check-asan, check-tsan: with sanitizers
check-release: ; $(MAKE) $(JOBS) VARIANT=release check-variant
check-asan: ; $(MAKE) $(JOBS) VARIANT=asan check-variant
check-tsan: ; $(MAKE) $(JOBS) VARIANT=tsan check-variant

## check-e2e     the schema at the sqlite3 prompt, and everything through a real HAProxy
check-e2e: build/spoa-rules
	tests/schema/run
	tests/rules/run
	tests/import/run
	tests/report/run
	tests/docs/run
	SPOA_RULES=build/spoa-rules tests/admin/run
	tests/monitoring/run
	SPOA_RULES=build/spoa-rules tests/e2e/run
	SPOA_RULES=build/spoa-rules tests/fronts/run

## test-versions the end-to-end tests with this machine's HAProxy and with 3.0, 3.2 and 3.4 from Debian's newer releases
NEWER     := $(patsubst %,build/haproxy-%/haproxy,3.0 3.2 3.4)
HAPROXIES ?= haproxy $(NEWER)
test-versions: deps-test build/spoa-rules
	tests/versions/fetch
	set -e; for haproxy in $(HAPROXIES); do \
	    HAPROXY=$$haproxy SPOA_RULES=build/spoa-rules tests/e2e/run; done
	HAPROXY=$(lastword $(HAPROXIES)) HAPROXY_2=haproxy SPOA_RULES=build/spoa-rules tests/fronts/run

# What is left to test after `make test`.
test-newer: ; $(MAKE) test-versions HAPROXIES='$(NEWER)'

## test-packages `make run`, `make test` but for the sanitizers, the Debian package and docker-compose.yml, in clean roots of
##               Debian 12 and 13; as root, some 15 minutes
test-packages: deps-packages
	tests/packaging/run

## test-debian13 of these, what CI does: `make run`, and the tests of modules, rules and protocol, on Debian 13; as root
test-debian13:
	$(call install_missing,$(ROOT_PACKAGES))
	RELEASES=trixie WERROR='$(WERROR)' tests/packaging/run run cases

## debug, asan, tsan   build/debug/spoa-rules and so on
debug asan tsan: ; $(MAKE) VARIANT=$@ build/$@/spoa-rules

## fuzz          each fuzz target for FUZZ_SECONDS (300) with clang's libFuzzer; finds go to build/fuzz
FUZZ_SECONDS ?= 300
FUZZ_FLAGS   := -std=c11 -D_GNU_SOURCE $(ALIASING) -Ispoa -Itests -DSPOA_VERSION='"fuzz"' -O1 -g -pthread -fsanitize=fuzzer,address,undefined \
                -fno-sanitize-recover=undefined
fuzz: deps-dev $(GEN_OBJ:.o=.c)
	@mkdir -p build/fuzz
	set -e; for fuzzer in $(FUZZERS); do \
	    $(CLANG) $(FUZZ_FLAGS) -o build/fuzz/$$fuzzer tests/fuzz/$$fuzzer.c $(TLIB_SRC) $(LIB_SRC) $(GEN_OBJ:.o=.c) $(LIBS); \
	    mkdir -p build/fuzz/corpus/$$fuzzer; \
	    build/fuzz/$$fuzzer -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=4096 -artifact_prefix=build/fuzz/ \
	        build/fuzz/corpus/$$fuzzer tests/fuzz/corpus/$$fuzzer; done

## bench         measures; prints ratios. QUICK=1: under a minute
bench: deps-bench build/spoa-rules $(BENCHES)
	QUICK='$(QUICK)' tests/bench/run

$(B)/tests/bench/%: $(B)/tests/bench/%.o $(B)/libtests.a $(B)/libspoa.a
	@echo '  LINK  $@'
	$(Q)$(CC) $(ALL_LDFLAGS) $(LTO_$(VARIANT)) -o $@ $^ $(LIBS)

# ---- style ----------------------------------------------------------------------------------

# All that is compiled, linked to nothing.
objects: $(patsubst %.c,$(B)/%.o,$(MAIN_SRC) $(LIB_SRC) $(wildcard tests/*/*.c)) $(GEN_OBJ)

## lint          warnings of gcc and clang, clang-format, clang-tidy, cppcheck, shellcheck, mandoc: silent when all is well
lint: deps-dev
	@set -e; for cc in $(CC) $(CLANG); do \
	    $(MAKE) $(JOBS) -s --no-print-directory CC=$$cc B=build/lint-$$cc WERROR=-Werror objects > /dev/null; done
	@clang-format --dry-run -Werror $(SOURCES)
	@cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability --inline-suppr \
	    --suppress=missingIncludeSystem -Ispoa -Itests -DSPOA_VERSION='""' spoa
	@said=$$(clang-tidy --quiet --warnings-as-errors='*' $(LIB_SRC) $(MAIN_SRC) -- -std=c11 -D_GNU_SOURCE -Ispoa \
	    -DSPOA_VERSION='""' 2>&1) || { printf '%s\n' "$$said" >&2; exit 1; } # when all is well it counts what it suppressed
	@shellcheck $(SCRIPTS)
	@mandoc -T lint -W warning spoa/spoa-rules.8

## format        puts all C into the house style
format: deps-dev
	clang-format -i $(SOURCES)

# ---- installing -----------------------------------------------------------------------------

## install       into DESTDIR and PREFIX (/usr/local); the README says how to make the user and start it
SHARE   := $(DESTDIR)$(PREFIX)/share
UNITDIR ?= $(PREFIX)/lib/systemd/system
HAPROXY_FILES = $(shell find haproxy -type f ! -name run ! -name demo ! -name Dockerfile ! -name sample-origin.cfg)
install: build/spoa-rules
	install -D -m 755 build/spoa-rules $(DESTDIR)$(PREFIX)/bin/spoa-rules
	install -D -m 644 -t $(SHARE)/spoa-rules/sql sql/*.sql
	install -D -m 644 -t $(SHARE)/spoa-rules/sql/questions sql/questions/*.sql
	install -D -m 644 -t $(SHARE)/spoa-rules/rules rules/*.sql
	for file in $(HAPROXY_FILES); do \
	    install -D -m $$(test -x $$file && echo 755 || echo 644) $$file $(SHARE)/spoa-rules/$$file || exit; done
	install -D -m 644 -t $(SHARE)/doc/spoa-rules README.md LICENSE
	install -D -m 644 -t $(SHARE)/man/man8 spoa/spoa-rules.8
	install -D -m 644 spoa/systemd/spoa-rules.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/spoa-rules.conf
	install -D -m 644 spoa/systemd/spoa-rules.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/spoa-rules.conf
	install -D -m 644 -t $(DESTDIR)$(UNITDIR) spoa/systemd/*.service spoa/systemd/*.socket spoa/systemd/*.timer
	sed -i 's|/usr/bin/spoa-rules|$(PREFIX)/bin/spoa-rules|' $(DESTDIR)$(UNITDIR)/spoa-rules*.service
	test -e $(DESTDIR)/etc/default/spoa-rules || install -D -m 644 spoa/systemd/spoa-rules.default $(DESTDIR)/etc/default/spoa-rules

## deb           a Debian package, build/deb/*.deb, from spoa/systemd/debian
DEB_TREE := build/deb/spoa-rules-$(VERSION)
deb: deps-deb
	rm -rf build/deb
	mkdir -p $(DEB_TREE)
	cp -a LICENSE Makefile README.md haproxy rules spoa sql $(DEB_TREE)
	mv $(DEB_TREE)/spoa/systemd/debian $(DEB_TREE)
	sed -i 's/@BUILD_PACKAGES@/$(subst $(space),$(comma) ,$(filter-out gcc libc6-dev,$(BUILD_PACKAGES)))/' $(DEB_TREE)/debian/control
	sed -n 's/^Copyright (c)/Copyright:/p' LICENSE >> $(DEB_TREE)/debian/copyright
	sed -e '1,/^Copyright/d; /^$$/s/^/./; s/^/ /; 1s/.*/License: Expat/' LICENSE >> $(DEB_TREE)/debian/copyright
	printf '%s\n' 'spoa-rules ($(VERSION)) unstable; urgency=medium' '' '  * Version $(VERSION).' '' \
	    " -- $$(sed -n 's/^Maintainer: //p' $(DEB_TREE)/debian/control)  $$(git log -1 --format=%cD 2>/dev/null || date -R)" \
	    > $(DEB_TREE)/debian/changelog
	cd $(DEB_TREE) && dpkg-buildpackage --build=binary --no-sign --no-pre-clean
	@ls build/deb/*.deb

BUILD_PACKAGES := gcc libc6-dev pkg-config libev-dev libsqlite3-dev libpcre2-dev libxxhash-dev libmicrohttpd-dev
RUN_PACKAGES   := $(BUILD_PACKAGES) haproxy sqlite3 curl
BENCH_PACKAGES := $(RUN_PACKAGES) wrk socat
CHECK_PACKAGES := $(BUILD_PACKAGES) check sqlite3
TEST_PACKAGES  := $(BENCH_PACKAGES) $(CHECK_PACKAGES) git varnish python3 openssl ca-certificates nghttp2-client chromium keepalived iproute2
DEB_PACKAGES   := $(BUILD_PACKAGES) build-essential debhelper
ROOT_PACKAGES  := debootstrap git curl
PKGTEST_PACKAGES := $(ROOT_PACKAGES) docker-compose iproute2 jq lintian sqlite3 systemd-container
DEV_PACKAGES   := $(TEST_PACKAGES) clang clang-format clang-tidy libclang-rt-14-dev cppcheck shellcheck mandoc

# $(call install_missing,PACKAGES): asks apt only when dpkg does not have them all.
define install_missing
@missing=$$(for p in $(1); do dpkg-query -W -f='$${db:Status-Status}' $$p 2>/dev/null | grep -qx installed || echo $$p; done); \
test -z "$$missing" || { echo "installing:" $$missing; \
    sudo=$$(test $$(id -u) = 0 || echo sudo); $$sudo apt-get update -q && \
    $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing; }
endef

## deps          installs the Debian packages that building, running and testing need, if any is missing
deps: deps-test
deps-run: ; $(call install_missing,$(RUN_PACKAGES))
deps-bench: ; $(call install_missing,$(BENCH_PACKAGES))
deps-check: ; $(call install_missing,$(CHECK_PACKAGES))
deps-test:
	$(call install_missing,$(TEST_PACKAGES))
	@tests/admin/fetch
deps-deb: ; $(call install_missing,$(DEB_PACKAGES))
deps-packages: ; $(call install_missing,$(PKGTEST_PACKAGES))
deps-dev: ; $(call install_missing,$(DEV_PACKAGES))

## run           installs what is missing, builds, starts HAProxy, agent and a sample origin; Ctrl-C stops them
run: deps-run
	@$(MAKE) --no-print-directory -s build/spoa-rules
	@haproxy/run

## demo          shows limits, a ban and a changed rule at work, in half a minute
demo: deps-run
	@$(MAKE) --no-print-directory -s build/spoa-rules
	@haproxy/demo

## report        DAY=2026-11-20 (today): what `make run` recorded on that UTC day, as CSV files and a page in var/reports/
DAY ?= $(shell date -u +%F)
report: build/spoa-rules
	@build/spoa-rules report --data var --day '$(DAY)' --output 'var/reports/$(DAY)'
	@echo 'var/reports/$(DAY)/index.html'

## clean         removes what was built
clean:
	rm -rf build

## help          this list
help:
	@sed -n 's/^## //p' Makefile

.PHONY: all test check-variant check-release check-asan check-tsan check-e2e test-versions test-newer test-packages test-debian13 objects \
        debug asan tsan fuzz bench lint format install deb deps deps-run deps-bench deps-check deps-test deps-deb \
        deps-packages deps-dev run demo report clean help

-include $(wildcard $(B)/*/*.d $(B)/*/*/*.d $(B)/*/*/*/*.d)
