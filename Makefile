# Builds the functions and puts them where `sam build` wants them.
#
# Cross building. The default needs the Rust target and a C cross compiler:
#     rustup target add aarch64-unknown-linux-gnu && apt-get install gcc-aarch64-linux-gnu
# and links against the building machine's glibc, which must not be newer in its symbols than that of
# provided.al2023 (2.34). With Zig as the linker any machine will do, and the glibc is chosen:
#     pip install cargo-zigbuild
#     BUILD="cargo zigbuild" TARGET=aarch64-unknown-linux-gnu.2.34 sam build
# `cargo lambda build --arm64 --profile deploy --bins` (pip install cargo-lambda) does the same on its
# own terms and writes target/lambda/<binary>/bootstrap; nothing here depends on it.
# To try the package on this machine: `make ARCH=x86_64 functions`.

ARCH ?= arm64
TARGET ?= $(if $(filter arm64,$(ARCH)),aarch64-unknown-linux-gnu,x86_64-unknown-linux-gnu)
BUILD ?= cargo build
CARGO_TARGET_DIR ?= target
TOOLS ?= target/tools

# The glibc version is part of Zig's target, not of the folder's name.
TRIPLE := $(firstword $(subst ., ,$(TARGET)))
FUNCTIONS := $(notdir $(patsubst %/,%,$(wildcard functions/*/)))

ifneq ($(shell uname -m),aarch64)
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER ?= aarch64-linux-gnu-gcc
endif

.PHONY: functions tools validate

# One build for all of them: what they share is compiled once, and a second call finds it done.
# Only the functions are named, so that no tool's feature is compiled into them.
functions:
	$(BUILD) --locked --profile deploy --target $(TARGET) --bins $(addprefix --package ,$(FUNCTIONS))

# `sam build` calls build-<logical id> for each function and reads ARTIFACTS_DIR afterwards. The binary
# is named like the function without its suffix: ClientsFunction is `clients`.
build-%Function: functions
	install -D -m 755 \
		"$(CARGO_TARGET_DIR)/$(TRIPLE)/deploy/$$(printf %s $* | tr '[:upper:]' '[:lower:]')" \
		"$(ARTIFACTS_DIR)/bootstrap"

# The pinned tools of infra/tools, in a folder that nothing else uses.
tools: $(TOOLS)/.installed
$(TOOLS)/.installed: infra/tools/requirements.txt
	python3 -m venv $(TOOLS)
	$(TOOLS)/bin/pip install --quiet --requirement $<
	touch $@

validate: tools
	SAM_CLI_TELEMETRY=0 $(TOOLS)/bin/sam validate --lint --template template.yaml --region eu-central-1
