//! Tests in network and mount namespaces of their own, for what cannot be shown on the machine itself. Needs root.

use std::io::Write;
use std::process::Command;

/// Tells the test binary that it has been started again.
const INSIDE: &str = "VAKHTA_TEST_INSIDE";
/// How a setup script says that something is not installed here; the reason is what it printed.
const MISSING: i32 = 77;

/// The addresses 10.9.0.0/16 swallow what is sent to them.
pub const BLACK_HOLE: &str =
    "ip link add dead type veth peer name end; ip link set end up; ip link set dead up arp off; ip addr add 10.9.0.1/16 dev dead";

/// A router, 10.0.0.1 and fd00::1, without a way onwards: it says that hosts in 10.5.0.0/16 and fd05::/16 are unreachable,
/// that 10.6.0.0/16 is forbidden, and that it knows no network beyond. Unprivileged ICMP sockets are off.
pub const ROUTER: &str = "ip link set lo up; echo '1 0' > /proc/sys/net/ipv4/ping_group_range
    unshare --net sleep 9 >/dev/null 2>&1 & router=$!
    until [ \"$(readlink /proc/$router/ns/net)\" != \"$(readlink /proc/self/ns/net)\" ]; do :; done
    ip link add near type veth peer name far; ip link set far netns $router
    ip addr add 10.0.0.2/24 dev near; ip -6 addr add fd00::2/64 dev near nodad; ip link set near up
    nsenter -t $router -n sh -c 'ip link set lo up; ip addr add 10.0.0.1/24 dev far; ip -6 addr add fd00::1/64 dev far nodad
        ip link set far up; ip route add unreachable 10.5.0.0/16; ip route add prohibit 10.6.0.0/16; ip -6 route add unreachable fd05::/16
        echo 0 > /proc/sys/net/ipv4/icmp_ratelimit; echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'
    ip route add default via 10.0.0.1; ip -6 route add default via fd00::1";

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
            if err.contains("unshare failed") || output.status.code() == Some(MISSING) {
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
