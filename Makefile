# ringo. `make help` lists the targets.
#
# Go does not need this file: `go build ./...` compiles csrc/*.c by cgo. It is for what Go cannot do: a command that
# carries liburing and a version, the C library, the C tests, the linters, and setting up a new machine.

ifeq ($(origin CC),default)
CC = gcc
endif
GO ?= $(eval GO := $(or $(shell .ci/setup go),$(error no Go)))$(GO)
PREFIX ?= /usr/local
DESTDIR ?=
DIR ?= docs
ARGS ?=
CFLAGS ?= -O2 -g
VERSION ?= $(or $(shell git describe --tags --always --dirty 2>/dev/null),devel)

# What the C core is compiled with, here and in csrc/door.go; tests/layout_test.go compares the two.
C_FLAGS = -std=gnu11 -D_GNU_SOURCE -pthread
C_LIBS = -luring -pthread
C_WARNINGS = -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes

# The number in the name of libringo.so: it goes up when a program linked to the old one would break.
SO_VERSION = 0

# SAN=asan and SAN=tsan, and CC=clang, build beside the plain gcc objects: build/clang-asan and so on. THREADS_ONLY=1
# leaves liburing out, and backend "uring" with it; Go's build tag ringo_threads does the same.
SAN ?=
THREADS_ONLY ?=
ifeq ($(THREADS_ONLY),1)
C_LIBS := -pthread
endif
VARIANT = $(notdir $(firstword $(CC)))$(SAN:%=-%)$(THREADS_ONLY:1=-threads)
OUT = build/$(VARIANT)
SAN_FLAGS_asan = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
SAN_FLAGS_tsan = -fsanitize=thread
COMPILE = $(CC) $(CFLAGS) $(C_FLAGS) $(C_WARNINGS) $(SAN_FLAGS_$(SAN)) -MMD -MP -Icsrc

C_SOURCES = $(filter-out $(if $(THREADS_ONLY),$(URING_SOURCES),csrc/uring_none.c),$(wildcard csrc/*.c))
URING_SOURCES = csrc/uring.c csrc/uring_open.c csrc/uring_abi.c
C_OBJECTS = $(C_SOURCES:csrc/%.c=$(OUT)/csrc/%.o)
C_TESTS = $(patsubst tests/c/%.c,$(OUT)/tests/%,$(filter-out tests/c/_%,$(wildcard tests/c/*.c)))

# Go programs get liburing from a directory that holds liburing.a and no liburing.so. Where there is no liburing.a they
# are linked to the shared one.
LIBURING_A = $(if $(THREADS_ONLY),,$(filter /%,$(shell $(CC) -print-file-name=liburing.a 2>/dev/null)))
GO_LDFLAGS = -X main.version=$(VERSION)

.DELETE_ON_ERROR:

## Build

bin/ringo: | $(if $(LIBURING_A),build/static/liburing.a) ## Build the command (the default)
	$(if $(LIBURING_A),CGO_LDFLAGS="-O2 -g -L$(CURDIR)/build/static") CC="$(CC)" \
		$(GO) build $(if $(THREADS_ONLY),-tags ringo_threads) -buildvcs=false -ldflags "$(GO_LDFLAGS)" -o $@ ./cmd/ringo
.PHONY: bin/ringo

build/static/liburing.a:
	@mkdir -p $(@D)
	ln -sf $(LIBURING_A) $@

all: bin/ringo lib ## Build the command and the C library

serve: ## Set up, build, and serve DIR (default: docs) over HTTP; ARGS="--listen ..." adds flags
	@.ci/setup build
	@$(MAKE) --no-print-directory bin/ringo
	@exec bin/ringo serve $(ARGS) $(DIR)

lib: build/libringo.a build/libringo.so build/ringo.pc ## Build the C library, static and shared, and its pkg-config file

$(OUT)/csrc/%.o: csrc/%.c Makefile
	@mkdir -p $(@D)
	$(COMPILE) -fPIC -c -o $@ $<

$(OUT)/libringo.a: $(C_OBJECTS)
	@rm -f $@
	$(AR) rcs $@ $^

build/libringo.a: $(OUT)/libringo.a
	ln -sf $(VARIANT)/libringo.a $@

build/libringo.so: build/libringo.so.$(SO_VERSION)
	ln -sf $(<F) $@

# Only ringo_verb_noun is public; ringo__anything and the rest stay inside.
build/libringo.so.$(SO_VERSION): $(C_OBJECTS)
	@echo '{ global: ringo_[!_]*; local: *; };' >build/libringo.map
	$(CC) $(CFLAGS) $(LDFLAGS) $(SAN_FLAGS_$(SAN)) -shared -Wl,-soname,$(@F) -Wl,--version-script=build/libringo.map \
		-Wl,-z,defs -o $@ $^ $(C_LIBS)

build/ringo.pc: Makefile
	@mkdir -p $(@D)
	@printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$${prefix}/lib' 'includedir=$${prefix}/include' '' \
		'Name: ringo' 'Description: file and socket I/O through io_uring' \
		'Version: $(or $(shell echo '$(VERSION)' | sed -n 's/^v\([0-9][0-9.]*\).*/\1/p'),0)' \
		$(if $(THREADS_ONLY),,'Requires.private: liburing') 'Libs: -L$${libdir} -lringo' 'Libs.private: -pthread' \
		'Cflags: -I$${includedir}' >$@
.PHONY: build/ringo.pc # It depends on PREFIX and VERSION.

install: bin/ringo lib ## Install the command, the C library and the man pages below DESTDIR and PREFIX
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/lib/pkgconfig
	install -m 755 bin/ringo $(DESTDIR)$(PREFIX)/bin/
	install -m 644 csrc/ringo.h $(DESTDIR)$(PREFIX)/include/
	install -m 644 build/libringo.a $(DESTDIR)$(PREFIX)/lib/
	install -m 755 build/libringo.so.$(SO_VERSION) $(DESTDIR)$(PREFIX)/lib/
	ln -sf libringo.so.$(SO_VERSION) $(DESTDIR)$(PREFIX)/lib/libringo.so
	install -m 644 build/ringo.pc $(DESTDIR)$(PREFIX)/lib/pkgconfig/
	@for page in $(wildcard docs/man/*.[1-8]); do \
		install -v -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/} || exit 1; done

clean: ## Remove bin and build
	rm -rf bin build

## Test

C_RUNS = gcc gcc-asan gcc-tsan clang clang-asan clang-tsan
GO_RUNS = plain race cgocheck2 asan one-proc $(if $(filter 0,$(shell id -u)),nobody)

test: ## Set up, then run every test that needs no special machine
	@.ci/setup test
	@rm -f build/results build/failures
	@$(MAKE) --no-print-directory -s build/run
	@# Two at a time: a run waits as much as it computes. What failed, the last line knows.
	@$(MAKE) --no-print-directory -s -k -j2 $(GO_RUNS:%=test-go-%) $(C_RUNS:%=test-c-%) || :
	@build/run total $(C_RUNS:%=C/%) $(GO_RUNS:%=Go/%)

# Fault injection is in the test programs alone: the linker puts it between libringo.a, as it is delivered, and what that
# calls.
FAULT_PROGRAMS = open policy turns wakes
FAULT_TESTS = $(OUT)/faults/soak $(FAULT_PROGRAMS:%=$(OUT)/faults/%)
SOAK_CODE = $(addprefix $(OUT)/faults/,$(patsubst tests/faults/%.c,%.o,$(filter-out \
	$(FAULT_PROGRAMS:%=tests/faults/%.c) $(if $(THREADS_ONLY),tests/faults/liburing.c),$(wildcard tests/faults/*.c))))
WRAPS_soak = backend_uring backend_threads ring_result sendfile send preadv2 pwritev2 fstat epoll_wait pthread_create \
	$(if $(THREADS_ONLY),,io_uring_enter2)
WRAPS_open = mmap calloc eventfd epoll_create1 epoll_ctl $(if $(THREADS_ONLY),,io_uring_queue_init_params \
	io_uring_register_iowq_max_workers io_uring_register_buf_ring io_uring_get_probe_ring io_uring_ring_dontfork)
WRAPS_turns = sendfile
WRAPS_wakes = mailbox_sleep

test-c: $(C_TESTS) $(FAULT_TESTS) build/run ## Run the C tests, built by CC with sanitizers SAN (asan, tsan or none)
	@$(NO_ASLR) build/run c $(VARIANT) $(C_TESTS) $(FAULT_TESTS)
test-c-asan: ## Run the C tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(MAKE) --no-print-directory test-c SAN=asan
test-c-tsan: ## Run the C tests under ThreadSanitizer
	@$(MAKE) --no-print-directory test-c SAN=tsan

test-programs: $(C_TESTS) $(FAULT_TESTS)

$(C_RUNS:%=test-c-%):
	@$(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j2) test-c \
		CC=$(word 3,$(subst -, ,$@)) SAN=$(word 4,$(subst -, ,$@))
.PHONY: $(C_RUNS:%=test-c-%)

$(OUT)/tests/%: tests/c/%.c $(OUT)/libringo.a
	@mkdir -p $(@D)
	$(COMPILE) -Itests/c -MF $@.d -o $@ $< $(OUT)/libringo.a -lcmocka $(C_LIBS)

$(OUT)/faults/%.o: tests/faults/%.c Makefile
	@mkdir -p $(@D)
	$(COMPILE) -Itests/c $(THREADS_ONLY:1=-DTHREADS_ONLY) -c -o $@ $<

$(OUT)/faults/soak: $(SOAK_CODE)
$(FAULT_PROGRAMS:%=$(OUT)/faults/%): $(OUT)/faults/%: $(OUT)/faults/%.o
$(FAULT_TESTS): $(OUT)/libringo.a
	$(CC) $(CFLAGS) $(SAN_FLAGS_$(SAN)) $(WRAPS_$(@F):%=-Wl,--wrap=%) -o $@ $(filter %.o,$^) $(OUT)/libringo.a -lcmocka $(C_LIBS)

SEED ?= $(shell date +%s)
OPS ?= 1000000
SOAK_BACKENDS = $(if $(THREADS_ONLY),,uring) threads

soak: $(OUT)/faults/soak ## Run OPS random ops with injected faults on each backend; SEED, SAN and CC choose how
	@for backend in $(SOAK_BACKENDS); do $(NO_ASLR) $< $(SEED) $(OPS) $$backend || exit 1; done

fresh: ## Change files CYCLES times in every way, each time followed by requests; FRESH_DIR chooses the file system
	FRESH_CYCLES=$(CYCLES) FRESH_DIR='$(FRESH_DIR)' $(FRESH) -run TestFreshness ./go/fileserver
	$(if $(filter 0,$(shell id -u)),FRESH_CYCLES=$(CYCLES) $(FRESH) -exec '$(CURDIR)/tests/run/as-nobody' -run 'TestFreshness/.*/chmod' ./go/fileserver)

CYCLES ?= 20000
FRESH = $(GO) test -count=1 -timeout 6h -v

fuzz: ## Fuzz the file server's parsers and choices, FUZZTIME each
	@for f in $$(sed -n 's/^func \(Fuzz[A-Za-z]*\).*/\1/p' go/fileserver/*_test.go); do \
		$(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(or $(FUZZTIME),10m) ./go/fileserver || exit 1; done

test-browser: ## Show the file server and the benchmark's page to a headless Chromium; SCREENSHOTS names a directory to keep some in
	@.ci/setup browser
	SCREENSHOTS=$(abspath $(SCREENSHOTS)) $(GO) test -count=1 -tags browser -v ./tests/browser
	SCREENSHOTS=$(abspath $(SCREENSHOTS)) $(GO) test -count=1 -tags browser -v -run Browser ./tests/workload

siege: bin/ringo ## Serve for a minute beside 2,000 clients of a byte a second; and what 10,000 idle connections cost
	RINGO_LONG=1 RINGO_BINARY=$(CURDIR)/bin/ringo $(GO) test -count=1 -v -run 'TestSlowClients|TestIdleMemory' ./tests/e2e

proof: $(OUT)/tests/_many_receives ## Run what is too heavy for test: 10,000 sockets that all receive at once
	@$(NO_ASLR) $<

test-go: ## Run the Go tests once; `make test` repeats them in the ways of the next lines
	@$(MAKE) --no-print-directory test-go-plain
$(GO_RUNS:%=test-go-%): test-go-%: build/run
	@GO=$(GO) $(GO_TEST_$*)
.PHONY: $(GO_RUNS:%=test-go-%)

# tests/ itself looks at the tree, tests/fio asks fio, and tests/e2e looks at a command that it builds in its own way:
# once is enough for them.
# Only root can run tests as nobody.
GO_CODE = $(filter-out %/tests %/tests/run %/tests/e2e %/tests/fio %/tests/workload %/tests/bench,$(shell $(GO) list -e ./...))
GO_TEST_plain = build/run go plain ./...
GO_TEST_race = build/run go race -race $(GO_CODE)
GO_TEST_cgocheck2 = GOEXPERIMENT=cgocheck2 build/run go cgocheck2 $(GO_CODE)
GO_TEST_asan = $(NO_ASLR) build/run go asan -asan $(GO_CODE)
GO_TEST_one-proc = build/run go one-proc -exec 'env GOMAXPROCS=1' $(GO_CODE)
GO_TEST_nobody = build/run go nobody -exec '$(CURDIR)/tests/run/as-nobody' $(GO_CODE)

test-threads: build/run ## Run the C tests, plain and under sanitizers, and the Go tests on backend threads
	@failed=0; export RINGO_BACKEND=threads; for san in '' asan tsan; do \
		$(MAKE) --no-print-directory -s -j2 test-c SAN=$$san || failed=1; done; \
	GO=$(GO) build/run go threads $(GO_CODE) || failed=1; exit $$failed

test-forbidden: build/run build/forbid bin/ringo ## Run the C and Go tests where io_uring is forbidden: by seccomp, by sysctl
	@failed=0; for way in EPERM ENOSYS sysctl; do GO=$(GO) tests/forbidden/run $$way || failed=1; done; exit $$failed

build/forbid: tests/forbidden/forbid.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(C_FLAGS) $(C_WARNINGS) -o $@ $<

test-liburing: build/run ## Build and test with liburing 2.3, 2.9 and 2.15, which it fetches from Debian
	@GO=$(GO) tests/liburing/versions

test-arm64: build/run ## Cross-build for arm64 with cgo, and run the C tests in qemu
	@GO=$(GO) tests/liburing/arm64

mutants: ## Take the guards of docs/io_uring.md out of the core, one at a time, and see the test that is named there fail
	@tests/mutants/run

test-without-liburing: build/run ## Prove that THREADS_ONLY=1 and the tag ringo_threads need no liburing: build, run all tests
	@GO=$(GO) tests/liburing/none

build/run: $(wildcard tests/run/*.go)
	@$(GO) build -buildvcs=false -o $@ ./tests/run

# The sanitizers of gcc 12 and clang 14 cannot place their shadow where a kernel randomises 32 bits of an address.
NO_ASLR = $(shell setarch -R true 2>/dev/null && echo setarch -R)

-include $(C_OBJECTS:.o=.d) $(C_TESTS:=.d) $(SOAK_CODE:.o=.d) $(FAULT_TESTS:=.d)

STORM_OPS ?= 100000
storm: ## Cancel, expire and close at random moments during STORM_OPS calls on files
	RINGO_STORM_OPS=$(STORM_OPS) $(GO) test ./go/ringo -count=1 -timeout 0 -v -run 'TestFileStorm|TestManyInOneSlice'

MODEL_OPS ?= 1000000
model: ## Compare File with os.File for MODEL_OPS random operations on ext4 (or what TMPDIR is on), tmpfs and overlayfs
	RINGO_MODEL_OPS=$(MODEL_OPS) tests/run/file-systems $(GO) test ./go/ringo -count=1 -timeout 0 -v -run TestFileModel

bench-serve: bin/ringo build/bench/load ## Measure the file server beside nginx, net/http and Caddy; ROWS is a pattern, CADDY its command
	@.ci/setup bench
	@$(GO) build -o build/bench/bench ./tests/bench
	@build/bench/bench -only '$(ROWS)' -caddy '$(CADDY)' -seconds 2 -json build/bench/serve.json serve

FIO_PARTS = rows-1-4k rows-1-16k rows-0-4k rows-0-16k null $(foreach d,1 0,article-$(d)-16k article-$(d)-32k article-$(d)-1m)
bench-fio: bin/ringo ## Measure ringo bench beside fio on what TMPDIR is on, 20 minutes; the tables as Markdown, the article's chart in build/bench
	@.ci/setup bench
	@tests/bench/fio.sh $(or $(TMPDIR),/tmp)
	@$(GO) run ./tests/bench tables build/bench/article.svg $(FIO_PARTS:%=build/bench/fio/%.txt)

build/bench/load: tests/bench/c/load.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(C_FLAGS) $(C_WARNINGS) -o $@ $<

bench: bin/ringo build/bench/nop build/bench/core build/bench/load build/bench/echo build/bench/echo-servers ## Run the benchmarks side by side; BENCH names some of "core nop readfiles serve echo idle"
	@.ci/setup bench
	@$(GO) run ./tests/bench $(BENCH)

BENCH ?= nop readfiles serve

# A module of its own, so that ringo does not depend on what it is measured against.
build/bench/echo-servers:
	@mkdir -p $(@D)
	$(GO) build -C tests/bench/echo -buildvcs=false -o $(CURDIR)/$@ .
.PHONY: build/bench/echo-servers

bench-go: build/bench/window ## Measure the Go package's files beside package os and plain C on ext4 (or what TMPDIR is on), tmpfs and overlayfs; BENCH_GO names some of "readat window matrix writefiles readfiles", ROWS is a pattern
	@.ci/setup bench
	@$(GO) build -buildvcs=false -o build/bench/bench ./tests/bench
	@tests/run/file-systems build/bench/bench -only '$(ROWS)' -rounds $(ROUNDS) $(BENCH_GO)

ROUNDS ?= 9
BENCH_GO ?= readat window matrix writefiles readfiles
.PHONY: storm model bench-go

build/bench/%: tests/bench/c/%.c build/libringo.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(C_FLAGS) $(C_WARNINGS) -Icsrc -o $@ $< build/libringo.a $(C_LIBS)

## Check

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.7.0
C_FILES = $(wildcard csrc/*.[ch] tests/*/*.[ch])
CHECKS = format c tidy cppcheck go portable layout

check: ## Set up, then run every linter, and the compilers with warnings as errors
	@.ci/setup check
	@failed=0; for check in $(CHECKS:%=check-%); do \
		if $(MAKE) --no-print-directory -s $$check; then echo "ok      $$check"; \
		else echo "FAILED  $$check"; failed=1; fi; done; exit $$failed

check-format: ## clang-format and gofmt; `make format` mends what they find
	$(if $(C_FILES),clang-format --dry-run -Werror $(C_FILES))
	@found=$$($(GOFMT) -l .); [ -z "$$found" ] || { echo "gofmt: $$found"; exit 1; }

check-c: ## Warnings are errors, in gcc and in clang; ringo.h compiles by itself
	@for cc in gcc clang; do \
		for file in $(wildcard csrc/*.c csrc/ringo.h tests/c/*.c tests/faults/*.c); do \
			$$cc -O2 $(C_FLAGS) $(C_WARNINGS) -Werror -Icsrc -Itests/c -x c -c -o /dev/null $$file || failed=1; done; done; \
	[ -z "$$failed" ]

check-tidy: ## clang-tidy, by .clang-tidy
	@printf '%s\n' $(C_SOURCES) $(wildcard tests/c/*.c) | xargs -r -n 1 -P 2 sh -c \
		'clang-tidy --quiet --warnings-as-errors="*" "$$0" -- $(C_FLAGS) -Icsrc -Itests/c 2>/dev/null'

check-cppcheck: ## cppcheck
	$(if $(C_SOURCES),cppcheck -q --std=c11 --enable=warning$(,)performance$(,)portability --inline-suppr \
		--error-exitcode=1 -D__linux__ -Icsrc csrc)

check-go: ## go vet and staticcheck
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

check-portable: ## Every package builds without cgo, and for another processor; go/ringo for another system, cgo on or off
	CGO_ENABLED=0 $(GO) build ./...
	GOOS=darwin CGO_ENABLED=0 $(GO) build ./go/ringo
	GOOS=darwin CGO_ENABLED=1 $(GO) build ./go/ringo
	@chosen=$$(GOOS=darwin CGO_ENABLED=1 $(GO) list -f '{{.CgoFiles}}{{.CFiles}}' ./csrc ./go/ringo) && \
		[ -z "$$(echo "$$chosen" | tr -d '[]\n')" ] || { echo "C for darwin: $$chosen"; exit 1; }
	CGO_ENABLED=0 $(GO) test ./go/ringo -run 'TestFile|TestWindow|TestBatch|TestFS|TestOps|TestPolicy|TestMany'
	GOARCH=arm64 CGO_ENABLED=0 $(GO) vet ./go/... ./cmd/...

check-layout: ## Layers point one way, and the other rules of tests/layout_test.go
	$(GO) test -count=1 ./tests

docs: ## Write what docs/bench.md and its man page say of options, from the table of options
	$(GO) generate ./go/workload/jobfile

format: ## Format every C and Go file
	$(if $(C_FILES),clang-format -i $(C_FILES))
	$(GOFMT) -w .

, := ,
GOFMT = $(shell $(GO) env GOROOT)/bin/gofmt

help: ## List the targets
	@awk -F ':.*## ' '/^## /{printf "\n%s\n", substr($$0, 4)} /^[a-z\/-]+:.*## /{printf "  %-16s %s\n", $$1, $$2}' Makefile

.PHONY: all serve lib install clean test test-c test-c-asan test-c-tsan proof test-programs test-go test-threads test-forbidden \
	test-liburing test-arm64 test-without-liburing mutants soak siege model fresh fuzz test-browser bench bench-go bench-serve bench-fio \
	check $(CHECKS:%=check-%) docs format help
