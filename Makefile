.PHONY: build demo test bench bench-peers lint format install packages

PREFIX ?= /usr/local
RELEASE = -c release --static-swift-stdlib
SWIFT_FILES = Package.swift Sources Tests $(shell git ls-files 'Benchmarks/*.swift')
C_FILES = $(shell git ls-files 'CKernels/*.[ch]*' 'Tests/*.[ch]' 'Tests/*.cpp' 'examples/*.c*' 'Benchmarks/*.[ch]' | \
  grep -E '[.](c|h|cpp|hpp)$$')

# A real table, compressed twice, looked up and searched.
demo: build
	@scripts/demo.sh "$$(swift build $(RELEASE) --show-bin-path)/dpq"

test: packages
	swift test

# Levels against one another, checked; then times of kernels, codec and training.
bench: packages
	swift run --package-path Benchmarks -c release Ratios Benchmarks/Ratios/minimum.txt
	cd Benchmarks && swift package --allow-writing-to-package-directory benchmark --no-progress

# The same work by faiss, numpy, torch and nanopq; PEERS="--only assign --quick" for a part of it.
bench-peers: build
	@scripts/install-packages cmake gcc
	Benchmarks/Peers/run "$$(swift build $(RELEASE) --show-bin-path)/dpq" $(PEERS)

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
