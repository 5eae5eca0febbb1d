//! The `firedrill` binary.

fn main() -> std::process::ExitCode {
    firedrill::cli::main()
}
