# Lists what there is.
default:
    @just --list

# All tests that need nothing beside the repository but one small model.
test:
    cargo test --release --workspace

# Format, lints and documentation, as CI checks them.
lint:
    cargo fmt --all --check
    cargo clippy --release --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --workspace --release

# The second suite; DIR holds data/ and oracle/.
conformance DIR:
    scripts/conformance {{ quote(DIR) }}

# Exports in llama.cpp, answers through its server, shards through an S3 server; compiles llama.cpp once. DIR, which holds data/,
# adds FuncQA's questions.
engines *DIR:
    scripts/engines {{ DIR }}

# A fit of features ten times as large as the memory that the system gives it; Linux, as root.
beyond-memory:
    scripts/beyond-memory

# The job files in deploy/ against the schemas they are for.
deploy-check:
    scripts/deploy-check

# Everything, as CI runs it.
ci:
    .ci/run

# Fuzzes one parser of foreign bytes (fuzz/fuzz_targets); needs `cargo install cargo-fuzz`.
fuzz TARGET SECONDS="60":
    RUSTC_BOOTSTRAP=1 cargo fuzz run {{ TARGET }} -- -max_total_time={{ SECONDS }}

# All that is said of packs and the server: held-out messages beside the model's own function calling (of NATIVE messages, or `all`),
# OpenAI's client, LangChain, MCP servers, hostile requests, chromium, and SECONDS of 64 clients at once.
serve-check MODEL="qwen2.5-coder-0.5b" SECONDS="300" NATIVE="12":
    scripts/serve/check {{ MODEL }} {{ SECONDS }} {{ NATIVE }}

# Speed beside llama.cpp on this machine; the peers are installed by themselves. `just bench --help` says more.
bench *OPTIONS:
    scripts/bench {{ OPTIONS }}

# How time and memory grow with texts, positions, tools and width: plots and exponents in OUT, and a projection.
growth OUT:
    scripts/bench growth --out {{ quote(OUT) }}
