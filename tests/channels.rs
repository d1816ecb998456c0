//! Channels beside Telegram, seen from outside: the real program, and what really arrived.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;

use serde_json::Value;

#[path = "../mocks/hook/mod.rs"]
#[allow(dead_code)]
pub mod hook;
#[path = "../mocks/smtp/mod.rs"]
#[allow(dead_code)]
pub mod smtp;

use crate::program::{Place, Program, left_out, until};
use crate::service::Service;

/// Serves on a thread of its own.
pub fn serve<F: Future<Output = std::io::Result<()>>>(
    serve: impl FnOnce(tokio::net::TcpListener) -> F + Send + 'static,
) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { serve(tokio::net::TcpListener::from_std(listener).unwrap()).await })
    });
    address
}

#[test]
fn a_failure_and_its_recovery_arrive_by_webhook_and_by_mail() {
    let (hooks, mails) = (hook::Shared::default(), smtp::Shared::default());
    let hook = serve({
        let hooks = hooks.clone();
        hooks.lock().plan = hook::plan("503:1,take-and-hang").unwrap();
        move |listener| hook::serve(listener, hooks)
    });
    let mail = serve({
        let mails = mails.clone();
        move |listener| smtp::serve(listener, mails)
    });
    let service = Service::start();
    let place = Place::new(&format!(
        "host: srv-01\ntimezone: UTC\nchannels:\n  hook: {{ webhook: {{ url: 'http://{hook}/a?key=CANARY-key', body: '{{\"message\":\"{{{{ kind }}}}\",\"failures\":{{{{ failures }}}},\"reason\":\"{{{{ reason }}}}\"}}' }} }}\n  mail: {{ email: {{ smtp: 'smtp://{mail}', starttls: none, from: vakhta@example.com, to: [ops@example.com] }} }}\nchecks:\n  - name: atto\n    {}\n    every: 100ms\n    fail_after: 3\n",
        service.section()
    ));
    let program = place.start();
    service.asked_again(3);
    service.well.store(false, Ordering::SeqCst);
    until("the failure is mailed", || mails.lock().receipts.first().map(|_| ()));
    let taken = until("the webhook is tried again after 503", || hooks.lock().receipts.first().cloned());
    assert_eq!(taken["headers"]["idempotency-key"], "1-failed");
    let body: Value = serde_json::from_str(taken["body"].as_str().unwrap()).unwrap();
    assert_eq!((&body["message"], &body["failures"].is_number()), (&"failed".into(), &true));
    service.well.store(true, Ordering::SeqCst);
    let letters = until("the recovery is mailed", || Some(mails.lock().receipts.clone()).filter(|letters| letters.len() == 2));
    let letter = |at: usize| letters[at]["letter"].as_str().unwrap_or_default().to_owned();
    assert!(letter(0).contains("Message-ID: <1-failed.") && letter(1).contains("Message-ID: <1-recovered."), "{letters:?}");
    assert!(letter(1).contains("In-Reply-To: <1-failed."), "{}", letter(1));
    let log = program.stop();
    assert!(!log.contains("CANARY"), "{log}");
    assert!(log.contains("503 Service Unavailable"), "{log}");
}

/// A server that is not ours, with a MIME parser that is not ours: it prints its port, then each letter as JSON.
const AIOSMTPD: &str = r#"
import asyncio, email, email.policy, json
from aiosmtpd.smtp import SMTP
class Printer:
    async def handle_DATA(self, server, session, envelope):
        m = email.message_from_bytes(envelope.content, policy=email.policy.default)
        part = lambda kind: m.get_body((kind,)).get_content()
        print(json.dumps({"subject": m["subject"], "names": m.keys(), "to": envelope.rcpt_tos, "plain": part("plain"), "html": part("html")}), flush=True)
        return "250 taken"
async def main():
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(Printer()), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"#;

#[test]
fn a_real_mail_server_takes_letters() {
    if !Command::new("/usr/bin/python3").args(["-c", "import aiosmtpd"]).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    {
        return left_out("a_real_mail_server_takes_letters", "no python3-aiosmtpd");
    }
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", AIOSMTPD]);
    let server = Program::start(command);
    let port = until("the server has a port", || server.stdout().first().cloned());
    let place = Place::new(&format!(
        "checks: [{{ name: a, host: {{}} }}]\nchannels: {{ mail: {{ email: {{ smtp: 'smtp://127.0.0.1:{port}', starttls: none, from: Вахта <vakhta@example.com>, to: [ops@example.com, boss@example.com] }} }} }}\n"
    ));
    let text = "🔴 сбой <b>&\nBcc: evil@example.com\n.\nend";
    let (code, out, err) = place.run(&["notify", "mail", "--message", text]);
    assert_eq!((code, out.as_str(), err.trim()), (0, "", "mail (email) took the message"));
    let letter = until("the letter is there", || server.stdout().get(1).cloned());
    let letter: Value = serde_json::from_str(&letter).unwrap();
    assert_eq!(letter["subject"], "🔴 сбой <b>&");
    assert_eq!(letter["plain"].as_str().unwrap().trim_end().replace("\r\n", "\n"), text);
    assert!(letter["html"].as_str().unwrap().contains("<b>🔴 сбой &lt;b&gt;&amp;</b>"), "{letter}");
    assert_eq!(letter["to"], serde_json::json!(["ops@example.com", "boss@example.com"]));
    let names: Vec<_> = letter["names"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(!names.contains(&"Bcc"), "{names:?}");
}

#[test]
fn five_hundred_programs_delay_no_other_check() {
    let service = Service::start();
    let programs: String =
        (0..500).map(|at| format!("  - {{ name: p{at}, command: {{ run: [sleep, '30'] }}, every: 1s, timeout: 10s }}\n")).collect();
    let place = Place::new(&format!(
        "host: srv-01\nlog: {{ status_every: 1s }}\nchannels: {{ console: {{ console: {{}} }} }}\nchecks:\n{programs}  - name: atto\n    {}\n    every: 100ms\n",
        service.section()
    ));
    let program = place.start();
    service.asked_again(3);
    // If it had to wait for one of their places it would wait for minutes.
    service.asked_again(30);
    let group = program.child.id();
    program.stop();
    let ours = format!("VAKHTA_RUN={group}-");
    let left = || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        processes
            .filter(|entry| std::fs::read(entry.path().join("environ")).is_ok_and(|text| String::from_utf8_lossy(&text).contains(&ours)))
            .count()
    };
    until("the end of the watch is the end of its programs", || (left() == 0).then_some(()));
}
