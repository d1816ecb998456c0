//! The fakes of the other channels, each on a thread of its own with a file of receipts.

use std::fs::File;
use std::future::Future;
use std::net::TcpListener;
use std::path::Path;

use serde_json::Value;

use super::receipts::SUBJECT;
use crate::channels::{hook, smtp};
use crate::program::Place;

/// A channel and what it took.
pub struct Far {
    pub name: &'static str,
    /// The channel as the file has it.
    pub section: String,
    took: Took,
}

enum Took {
    Requests(hook::Shared),
    Letters(smtp::Shared),
}

impl Far {
    /// A webhook that answers by this plan.
    pub fn webhook(plan: &str, place: &Place) -> Self {
        let (listener, port) = listener();
        let file = receipts(&place.path("hook.jsonl"));
        let shared = hook::Shared::new(hook::Receiver { plan: hook::plan(plan).unwrap(), file, ..Default::default() });
        let receiver = shared.clone();
        on_a_thread(async move { hook::serve(tokio::net::TcpListener::from_std(listener).unwrap(), receiver).await });
        let section = format!("{{ storm: off, webhook: {{ url: \"http://127.0.0.1:{port}/\" }} }}");
        Self { name: "hook", section, took: Took::Requests(shared) }
    }

    /// A mail server whose conversations go by this plan.
    pub fn mail(plan: &str, place: &Place) -> Self {
        let (listener, port) = listener();
        let file = receipts(&place.path("mail.jsonl"));
        let shared = smtp::Shared::new(smtp::MailServer { plan: smtp::plan(plan).unwrap(), file, ..Default::default() });
        let server = shared.clone();
        on_a_thread(async move { smtp::serve(tokio::net::TcpListener::from_std(listener).unwrap(), server).await });
        let settings = format!("smtp: \"smtp://127.0.0.1:{port}\", starttls: none, from: a@example.com, to: [b@example.com]");
        let section = format!("{{ storm: off, email: {{ {settings}, subject: \"{SUBJECT}\" }} }}");
        Self { name: "mail", section, took: Took::Letters(shared) }
    }

    pub fn receipts(&self) -> Vec<Value> {
        match &self.took {
            Took::Requests(hook) => hook.lock().receipts.clone(),
            Took::Letters(mail) => mail.lock().receipts.clone(),
        }
    }

    /// From now on it takes everything.
    pub fn mend(&self) {
        match &self.took {
            Took::Requests(hook) => hook.lock().plan.clear(),
            Took::Letters(mail) => mail.lock().plan.clear(),
        }
    }
}

fn on_a_thread(serve: impl Future<Output = std::io::Result<()>> + Send + 'static) {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(serve)
    });
}

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn receipts(path: &Path) -> Option<File> {
    Some(File::options().create(true).append(true).open(path).unwrap())
}
