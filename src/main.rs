//! Five steps: the allocator, the TLS provider, the command line, the command, its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    vakhta::allocator::give_back();
    // One provider for the whole program; a second call would be the only error.
    let _ = rustls::crypto::ring::default_provider().install_default();
    vakhta::cli::main()
}
