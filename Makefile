.PHONY: build demo test lint format install packages

PREFIX ?= /usr/local
RELEASE = -c release --static-swift-stdlib
SWIFT_FILES = Package.swift Sources Tests
C_FILES = $(shell git ls-files 'CKernels/*.[ch]*' 'Tests/*.[ch]' 'Tests/*.cpp' 'examples/*.c*' | grep -E '[.](c|h|cpp|hpp)$$')

# A real table, compressed twice, looked up and searched.
demo: build
	@scripts/demo.sh "$$(swift build $(RELEASE) --show-bin-path)/dpq"

test: packages
	swift test

build: packages
	swift build $(RELEASE)

packages:
	@scripts/install-packages

lint:
	swift format lint --strict --recursive $(SWIFT_FILES) && clang-format --dry-run -Werror $(C_FILES)

format:
	swift format --in-place --recursive $(SWIFT_FILES) && clang-format -i $(C_FILES)

install: build
	install -D "$$(swift build $(RELEASE) --show-bin-path)/dpq" "$(DESTDIR)$(PREFIX)/bin/dpq"
