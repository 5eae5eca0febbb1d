# `just` lists the recipes; `just ci` is what CI runs.

_default:
    @just --list

# The quickstart, or any other command: just run weekly-load --users 5
run *args:
    scripts/run {{ if args == "" { "" } else { "run " + args } }}

# All tests
test *args:
    scripts/test {{ args }}

# Format, lints, docs, tests, quickstart
ci:
    .ci/run

# Lints alone
lint:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings

# Licences, bans and sources of dependencies
deny:
    cargo deny check bans licenses sources
