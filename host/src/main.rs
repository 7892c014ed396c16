//! Parse, run, exit code.

fn main() -> std::process::ExitCode {
    ciba_host::cli::main()
}
