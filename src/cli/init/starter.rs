//! The text of a first checks.yaml, from answers and what was found: pure, and commented for who reads it first.

use std::fmt::Write as _;

use super::proposals::{Look, Proposal, Socket};
use crate::domain::text::visible;

/// All that the file says.
#[derive(Debug, Clone)]
pub struct Starter {
    /// The machine's name, for people.
    pub machine: String,
    /// `en` or `ru`.
    pub language: &'static str,
    /// An IANA name.
    pub timezone: String,
    pub state_dir: String,
    pub log_dir: String,
    pub telegram: Option<TelegramChannel>,
    /// When people may be told; absent: at any time.
    pub hours: Option<Hours>,
    pub checks: Vec<Proposal>,
}

/// The channel `ops`.
#[derive(Debug, Clone)]
pub struct TelegramChannel {
    /// Where the token is: `${TELEGRAM_TOKEN}` or `${file:telegram_token}`. Never the token itself.
    pub token: String,
    /// A number or an `@name`.
    pub chat: String,
    pub topic: Option<i32>,
    /// What people call the chat.
    pub name: Option<String>,
    pub api_url: Option<String>,
    pub proxy: Option<String>,
}

/// Some hours of some days, as the file has them.
#[derive(Debug, Clone)]
pub struct Hours {
    pub days: Option<String>,
    pub hours: String,
}

/// Where the comments at the ends of lines begin.
const COLUMN: usize = 34;

impl Starter {
    pub fn text(&self) -> String {
        let mut text = format!(
            "# What Vakhta watches on {}. Written by `vakhta init`; now it is yours.\n\
             # `vakhta validate` says what is wrong with it, `vakhta check` looks at everything once, `vakhta reload` has the\n\
             # running watch take it up. Every key is in REFERENCE.md.\n\n",
            visible(&self.machine)
        );
        let line = |text: &mut String, content: String, comment: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{content:<COLUMN$} # {comment}");
        };
        line(&mut text, format!("timezone: {}", self.timezone), "of hours in this file and in messages");
        line(&mut text, format!("language: {}", self.language), "of messages: en or ru");
        line(&mut text, format!("state_dir: {}", scalar(&self.state_dir)), "what must outlive a restart: counts, incidents, who was told");
        line(&mut text, format!("log: {{ dir: {} }}", scalar(&self.log_dir)), "status.jsonl is there: `tail -F` follows it");
        text.push_str("# web: { listen: 127.0.0.1:8080 }  # a page for people, /metrics for Prometheus\n");
        text.push_str("\n# Where messages go. `vakhta notify NAME` sends a test message.\nchannels:\n");
        line(&mut text, "  console: { console: {} }".to_owned(), "where `vakhta run` was started, or the journal");
        self.telegram_lines(&mut text);
        self.window_lines(&mut text);
        let tells = if self.telegram.is_some() { "console, ops" } else { "console" };
        text.push_str("\n# What holds for every check that says nothing else.\n");
        let _ = writeln!(text, "defaults: {{ every: 30s, timeout: 5s, notify: [{tells}] }}\n\nchecks:");
        self.machine_lines(&mut text);
        self.socket_lines(&mut text);
        self.unit_lines(&mut text);
        text.push_str(MORE);
        text
    }

    fn telegram_lines(&self, text: &mut String) {
        let window = if self.hours.is_some() { ", window: working_hours" } else { "" };
        let Some(telegram) = &self.telegram else {
            text.push_str("  # Make a bot with @BotFather, put it into your group, then: export TELEGRAM_TOKEN=…\n");
            let _ = writeln!(text, "  # ops: {{ telegram: {{ token: \"${{TELEGRAM_TOKEN}}\", chat_id: -1001234567890 }}{window} }}");
            return;
        };
        if let Some(name) = &telegram.name {
            let _ = writeln!(text, "  # To {}. The token stands outside this file.", visible(name));
        }
        let _ = write!(text, "  ops: {{ telegram: {{ token: \"{}\", chat_id: {}", telegram.token, chat(&telegram.chat));
        let mut more = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                let _ = write!(text, ", {key}: {value}");
            }
        };
        more("topic_id", telegram.topic.map(|topic| topic.to_string()));
        more("api_url", telegram.api_url.as_deref().map(quoted));
        more("proxy", telegram.proxy.as_ref().map(|proxy| format!("\"{proxy}\"")));
        let _ = writeln!(text, " }}{window} }}");
    }

    fn window_lines(&self, text: &mut String) {
        text.push_str("\n# When a channel may be used. Looking never stops; what still fails when the window opens is told then.\n");
        match &self.hours {
            Some(Hours { days, hours }) => {
                let days = days.as_ref().map(|days| format!("days: {}, ", scalar(days))).unwrap_or_default();
                let _ = writeln!(text, "windows:\n  working_hours: {{ {days}hours: \"{hours}\" }}");
            }
            None => text.push_str("# windows:\n#   working_hours: { days: mon-fri, hours: \"09:00-18:00\" }      # and `window: working_hours` beside a channel's kind\n"),
        }
    }

    fn machine_lines(&self, text: &mut String) {
        let disks = self.checks.iter().filter_map(|check| if let Proposal::Disk(disk) = check { Some(quoted(disk)) } else { None });
        let disks = disks.collect::<Vec<_>>();
        text.push_str("  # Every 5 s; a rule that is broken opens an incident, and each channel is told of it once.\n");
        let _ = writeln!(text, "  - name: this machine\n    host: {{ disks: [{}] }}\n    every: 5s\n    rules:", disks.join(", "));
        for (rule, comment) in [
            ("cpu > 95% for 5m", "every reading of five minutes"),
            ("mem > 95% for 5m until < 90%", "and good again only below 90 %"),
            ("disk > 95%", ""),
        ] {
            let line = format!("      - {rule:<28}{}{comment}", if comment.is_empty() { "" } else { " # " });
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }

    fn socket_lines(&self, text: &mut String) {
        let sockets: Vec<&Socket> =
            self.checks.iter().filter_map(|check| if let Proposal::Socket(socket) = check { Some(socket) } else { None }).collect();
        for (index, socket) in sockets.iter().enumerate() {
            let _ = writeln!(
                text,
                "\n  # {}{}",
                visible(&socket.about()),
                if socket.look == Look::Http { ": any page but an error of the server is good." } else { "." }
            );
            let _ = writeln!(text, "  - name: {}", scalar(&socket.name));
            let _ = match socket.look {
                Look::Tcp => writeln!(text, "    tcp: {{ address: \"{}\" }}", socket.address),
                Look::Http => writeln!(text, "    http: {{ url: \"http://{}/\", status: 200-499 }}", socket.address),
            };
            if index == 0 {
                text.push_str("    fail_after: 3                  # False at the third failure in a row\n");
            }
        }
    }

    fn unit_lines(&self, text: &mut String) {
        let units = self.checks.iter().filter_map(|check| if let Proposal::Unit(unit) = check { Some(scalar(unit)) } else { None });
        let units = units.collect::<Vec<_>>();
        if !units.is_empty() {
            text.push_str("\n  # Services that systemd starts with the machine: told when one fails or is stopped.\n  - name: services\n    unit:\n      units:\n");
            units.iter().for_each(|unit| text.push_str(&format!("        - {unit}\n")));
        }
    }
}

/// What people look at next.
const MORE: &str = r#"
  # What else people look at on their first day:
  # - { name: terminals, ping: { list: ips.txt }, every: 1m }            # an address, host name, CIDR or range a line
  # - { name: shop, http: { url: "https://example.com/", status: 200 }, rules: [latency > 2s for 5] }
  # - { name: certificate, tls: { address: "example.com:443" }, rules: [cert_days < 14] }
  # - { name: backup, file: { newest: "/backup/*.gz" }, rules: [age > 26h] }
  # - { name: worker, process: { name: worker }, rules: [rss > 2GiB] }
  # - { name: failed units, unit: { units: ["*"], inactive: pass } }
"#;

fn chat(chat: &str) -> String {
    if chat.parse::<i64>().is_ok() { chat.to_owned() } else { quoted(chat) }
}

/// The text as YAML has it: as it is where that is harmless, else in quotes.
fn scalar(text: &str) -> String {
    let harmless = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || " ._/-".contains(c))
        && !text.ends_with(' ')
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_ascii_lowercase().as_str());
    if harmless { text.to_owned() } else { quoted(text) }
}

/// In double quotes, with nothing in it that YAML or `${…}` would read.
fn quoted(text: &str) -> String {
    format!("\"{}\"", visible(text).replace('\\', r"\\").replace('"', "\\\"").replace("${", "$${"))
}
