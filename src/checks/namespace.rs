//! Tests in network and mount namespaces of their own, for what cannot be shown on the machine itself. Needs root.

use std::io::Write;
use std::process::Command;

/// Tells the test binary that it has been started again.
const INSIDE: &str = "VAKHTA_TEST_INSIDE";

/// Runs `check` in fresh namespaces after `setup`, a shell script that may end with `set -- PROGRAM ARGUMENT…` to
/// have the test run by that program. The binary starts itself again there, for the one test of this full path.
/// Where that is not allowed the test is skipped, and says so.
pub fn inside(test: &str, setup: &str, check: impl FnOnce()) {
    if std::env::var(INSIDE).as_deref() == Ok(test) {
        return check();
    }
    if !rustix::process::geteuid().is_root() {
        return left_out(test, "namespaces need root");
    }
    let binary = std::env::current_exe().unwrap();
    let script = format!("set -e; {setup}\nexec \"$@\" \"$0\" --exact {test} --nocapture");
    match Command::new("unshare").args(["--net", "--mount", "sh", "-c", &script]).arg(binary).env(INSIDE, test).output() {
        Err(error) => left_out(test, &format!("unshare: {error}")),
        Ok(output) => {
            let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            if err.contains("unshare failed") {
                return left_out(test, &err);
            }
            assert!(output.status.success() && out.contains("1 passed"), "{out}{err}");
        }
    }
}

/// Says which test was left out and why, past the harness, which shows only what failing tests print.
pub fn left_out(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "LEFT OUT {test}: {}", why.trim());
}
