//! The section of an `email` channel.

use std::path::PathBuf;

use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters, TlsParametersBuilder};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Email;
use super::letter::{Letterhead, subject_of};
use super::session::{Encryption, Server};
use crate::net::{Endpoint, Host};
use crate::notify::Notifier;
use crate::notify::text::sample;
use crate::settings::template::Template;
use crate::settings::{BuildContext, Problem, Problems, Secret, Settings};

/// Sends each message as a letter, in plain text and simple HTML.
///
/// A failure and what follows it (reminders, recovery) make one thread. A repeat bears the `Message-ID` of the first copy.
/// A server that says "later" (4xx, greylisting) is asked again in five minutes; a refused login or sender breaks the channel until
/// someone mends it. Of several recipients, one that is refused or put off takes nothing from the others, and the log says so:
/// give people who must miss nothing a channel each.
///
/// ```yaml
/// email: { smtp: "smtps://vakhta:${SMTP_PASSWORD:-example}@mail.example.com", from: vakhta@example.com, to: [ops@example.com] }
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailSettings {
    /// `smtps://` (TLS from the start, port 465) or `smtp://` (STARTTLS, port 587 with a login and 25 without), then
    /// `user:password@` where the server wants them, exactly as they are (no `%40`), the host, and `:port` where it is another.
    smtp: Secret,
    /// Who writes: `vakhta@example.com`, or with a name, `Vakhta <vakhta@example.com>`.
    from: String,
    /// Who reads. Everyone is in the `To` line.
    to: Vec<String>,
    /// The subject, with the names of `templates`. Default: the first line of the text.
    subject: Option<String>,
    /// With `smtp://`: `required`; `opportunistic` sends in clear to a server that has no TLS, but never a password; `none`
    /// never asks for it (a relay on this machine). Default: `required`.
    starttls: Option<StartTls>,
    /// A PEM file of authorities that are trusted instead of the system's; a relative path starts at `checks.yaml`.
    ca: Option<PathBuf>,
    /// Take any certificate. Default: no.
    #[serde(default)]
    insecure: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum StartTls {
    Required,
    Opportunistic,
    None,
}

impl Settings for EmailSettings {
    type Plugin = dyn Notifier;

    fn build(self, at: &BuildContext) -> Result<Box<dyn Notifier>, Vec<Problem>> {
        let mut problems = Problems::default();
        let address = problems.keep(Address::parse(&self.smtp));
        let from = problems.keep(mailbox(&self.from).map_err(|message| Problem::at("from", message)));
        let to: Vec<_> = self.to.iter().enumerate().filter_map(|(index, text)| problems.keep(recipient(index, text))).collect();
        if self.to.is_empty() {
            problems.0.push(Problem::at("to", "nobody would get the letters").help("Write `to: [ops@example.com]`."));
        }
        let subject = problems.keep(self.subject.as_deref().map(subject).transpose()).flatten();
        let secure = address.as_ref().is_some_and(|address| address.secure);
        if secure && self.starttls.is_some() {
            let help = "Write `smtp://` for STARTTLS, or delete this line.";
            problems.0.push(Problem::at("starttls", "`smtps://` has TLS from the start").help(help));
        }
        let host = address.as_ref().map(|address| address.host.clone()).unwrap_or_default();
        let tls = || tls(&host, self.ca.map(|file| at.folder.join(file)), self.insecure);
        let encryption = match (secure, self.starttls) {
            (true, _) => problems.keep(tls().map(Encryption::FromTheStart)),
            (false, None | Some(StartTls::Required)) => problems.keep(tls().map(Encryption::Required)),
            (false, Some(StartTls::Opportunistic)) => problems.keep(tls().map(Encryption::Opportunistic)),
            (false, Some(StartTls::None)) => Some(Encryption::None),
        };
        let (Some(address), Some(from), Some(encryption), true) = (address, from, encryption, problems.0.is_empty()) else {
            return Err(problems.0);
        };
        let server = Server {
            host: address.host,
            port: address.port,
            encryption,
            login: address.login.map(|(user, password)| (Credentials::new(user, password.expose().to_owned()), password)),
            net: at.net.clone(),
        };
        Ok(Box::new(Email { server, letterhead: Letterhead { from, to, subject } }))
    }
}

/// What the address of a server says.
#[derive(Debug)]
struct Address {
    secure: bool,
    host: String,
    port: u16,
    login: Option<(String, Secret)>,
}

impl Address {
    /// User and password stand as they are, so the last `@` ends them.
    fn parse(text: &Secret) -> Result<Self, Problem> {
        let wrong = |message: &str| Problem::at("smtp", message).help("Write `smtps://user:${SMTP_PASSWORD}@mail.example.com`.");
        let (scheme, rest) = text.expose().split_once("://").ok_or_else(|| wrong("this is not the address of a mail server"))?;
        let secure = match scheme {
            "smtps" => true,
            "smtp" => false,
            _ => return Err(wrong("the address begins with neither `smtp://` nor `smtps://`")),
        };
        let (login, place) = rest.rsplit_once('@').map_or((None, rest), |(login, place)| (Some(login), place));
        let login = login.map(|login| login.split_once(':').filter(|(user, password)| !user.is_empty() && !password.is_empty()));
        let login = match login {
            Some(None) => return Err(wrong("the address has a user without a password").help("Is the variable set?")),
            login => login.flatten().map(|(user, password)| (user.to_owned(), Secret::new(password.to_owned()))),
        };
        let place = place.strip_suffix('/').unwrap_or(place);
        let usual = if secure {
            465
        } else if login.is_some() {
            587
        } else {
            25
        };
        let endpoint = Endpoint::parse(place).or_else(|_| Endpoint::parse(&format!("{place}:{usual}")));
        let endpoint = endpoint.map_err(|_| {
            wrong("the address has no host, or a bad one")
                .help("Write `smtps://mail.example.com`, or with a port, `smtp://192.0.2.1:2525`.")
        })?;
        let host = match endpoint.host {
            Host::Address(address) => address.to_string(),
            Host::Name(name) => name.into_string(),
        };
        Ok(Self { secure, host, port: endpoint.port, login })
    }
}

fn recipient(index: usize, text: &str) -> Result<Mailbox, Problem> {
    mailbox(text).map_err(|message| Problem::new(message).below_index(index).below_key("to"))
}

fn mailbox(text: &str) -> Result<Mailbox, String> {
    let mailbox: Mailbox = text.parse().map_err(|_| format!("`{text}` is not a mail address"))?;
    match mailbox.email.to_string().is_ascii() {
        true => Ok(mailbox),
        false => Err(format!("`{text}` has letters that not every mail server takes; write the domain as `xn--…`")),
    }
}

/// Compiles the subject and tries it on messages of every kind.
fn subject(source: &str) -> Result<Template, Problem> {
    let template = Template::compile(source).map_err(|error| Problem::at("subject", error))?;
    let messages = sample::messages().map_err(|error| Problem::at("subject", error))?;
    for (name, message) in messages {
        subject_of(&template, &message)
            .map_err(|error| Problem::at("subject", format!("the subject of {name} cannot be filled in: {error}")))?;
    }
    Ok(template)
}

fn tls(host: &str, ca: Option<PathBuf>, insecure: bool) -> Result<TlsParameters, Problem> {
    let mut builder =
        TlsParametersBuilder::new(host.to_owned()).dangerous_accept_invalid_certs(insecure).dangerous_accept_invalid_hostnames(insecure);
    if let Some(file) = ca {
        let wrong = |cause: String| Problem::at("ca", format!("cannot use {}: {cause}", file.display()));
        let pem = std::fs::read(&file).map_err(|error| wrong(error.to_string()))?;
        let certificate = Certificate::from_pem(&pem).map_err(|error| wrong(error.to_string()))?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
    }
    builder.build().map_err(|error| Problem::new(format!("TLS cannot be set up: {error}")))
}
