//! `telegram`: sends messages by a bot, and takes every answer of the Bot API for what it means.
//!
//! Source of codes and limits: Bot API, "Making requests" and "sendMessage" (<https://core.telegram.org/bots/api>).

mod finder;

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
pub use finder::{BotName, FindError, Finder, SeenChat};
use schemars::JsonSchema;
use serde::Deserialize;
use teloxide::payloads::SendMessageSetters;
use teloxide::prelude::Requester;
use teloxide::types::{ChatId, LinkPreviewOptions, MessageId, ParseMode, Recipient, ThreadId};
use teloxide::{ApiError, Bot, RequestError};

use super::{Limits, Measure, Message, Notifier, Receipt, SendError};
use crate::domain::text::{shortened, visible};
use crate::net::Net;
use crate::net::tls::TlsPolicy;
use crate::settings::template::Escape;
use crate::settings::{BuildContext, Problem, Secret, Settings};

/// Sends messages by a Telegram bot.
///
/// Make the bot with @BotFather, add it to the group, and put the token where the file does not show it.
///
/// ```yaml
/// telegram: { token: "${TELEGRAM_TOKEN:-123456:example}", chat_id: -1001234567890, topic_id: 7 }
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TelegramSettings {
    /// The bot's token, as @BotFather gives it.
    token: Secret,
    /// The number of the chat (groups have negative ones), or the `@name` of a public channel.
    chat_id: Chat,
    /// The topic of a forum group to write into.
    topic_id: Option<i32>,
    /// The address of a Bot API server of your own. Default: `https://api.telegram.org`.
    api_url: Option<String>,
    /// `http://`, `https://` or `socks5h://` proxy for this channel. No proxy of the environment is used.
    proxy: Option<Secret>,
    /// Recoveries arrive without a sound. Default: false.
    #[serde(default)]
    silent_recoveries: bool,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a chat number such as -1001234567890, or the @name of a public channel")]
enum Chat {
    Number(i64),
    Name(String),
}

/// From the start of the connection to the answer.
const TOTAL: Duration = Duration::from_secs(17);
const CONNECT: Duration = Duration::from_secs(5);

impl Settings for TelegramSettings {
    type Plugin = dyn Notifier;

    fn build(self, at: &BuildContext) -> Result<Box<dyn Notifier>, Vec<Problem>> {
        let mut problems = Vec::new();
        if !looks_like_token(self.token.expose()) {
            let help = "a token is digits, a colon, then letters and digits, as @BotFather writes it; is the variable set?";
            problems.push(Problem::at("token", "this is not a bot token").help(help));
        }
        let recipient = recipient(&self.chat_id).map_err(|problem| problems.push(problem)).ok();
        let api_url = self.api_url.as_deref().map(parse_url).transpose().map_err(|problem| problems.push(problem)).ok().flatten();
        let client = client(self.proxy.as_ref(), &at.net).map_err(|problem| problems.push(problem)).ok();
        let (Some(recipient), Some(client), true) = (recipient, client, problems.is_empty()) else { return Err(problems) };
        let mut bot = Bot::with_client(self.token.expose(), client);
        if let Some(url) = api_url {
            bot = bot.set_api_url(url);
        }
        Ok(Box::new(Telegram {
            bot,
            token: self.token,
            recipient,
            moved_to: AtomicI64::new(0),
            topic: self.topic_id.map(|id| ThreadId(MessageId(id))),
            silent_recoveries: self.silent_recoveries,
        }))
    }
}

/// Not `Debug`: a bot shows its token there.
struct Telegram {
    bot: Bot,
    token: Secret,
    recipient: Recipient,
    /// Where the group went when it became a supergroup; 0 while it has not.
    moved_to: AtomicI64,
    topic: Option<ThreadId>,
    silent_recoveries: bool,
}

/// One way of saying it; the next is tried when Telegram refuses this one.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Html,
    Plain,
}

#[async_trait]
impl Notifier for Telegram {
    fn limits(&self) -> Limits {
        Limits { length: 4096, measure: Measure::Utf16, escape: Escape::Html }
    }

    async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        let (mut form, mut topic, mut remark) = (Form::Html, self.topic, None);
        // Each turn mends one thing Telegram found wrong; none of them can come twice.
        for _ in 0..4 {
            let error = match self.post(message, form, topic).await {
                Ok(id) => return Ok(Receipt { id: Some(id.to_string()), remark }),
                Err(error) => error,
            };
            match &error {
                RequestError::MigrateToChatId(ChatId(id)) if self.moved_to.swap(*id, Ordering::Relaxed) != *id => {
                    remark = Some(format!("the group has become a supergroup: write `chat_id: {id}` in the file"));
                }
                RequestError::Api(ApiError::CantParseEntities(text)) if form == Form::Html => {
                    form = Form::Plain;
                    remark = Some(format!("sent without markup, because Telegram refused the text: {text}"));
                }
                RequestError::Api(api) if topic.is_some() && names_topic(&description(api)) => {
                    topic = None;
                    remark = Some(format!("sent to the chat itself, because of the topic: {}", description(api)));
                }
                RequestError::InvalidJson { raw, .. } if raw.trim_start().starts_with(r#"{"ok":true"#) => {
                    return Ok(Receipt { id: None, remark: Some("the answer of Telegram broke off after `ok`".into()) });
                }
                error => return Err(classify(&self.token, error)),
            }
        }
        Err(SendError::Later { after: None, cause: "Telegram refused every form of the message".into() })
    }
}

impl Telegram {
    async fn post(&self, message: &Message, form: Form, topic: Option<ThreadId>) -> Result<MessageId, RequestError> {
        let recipient = match self.moved_to.load(Ordering::Relaxed) {
            0 => self.recipient.clone(),
            id => Recipient::Id(ChatId(id)),
        };
        let text = if form == Form::Html { &message.text } else { &message.plain };
        let mut request =
            self.bot.send_message(recipient, text).disable_notification(message.quiet && self.silent_recoveries).link_preview_options(
                LinkPreviewOptions {
                    is_disabled: true,
                    url: None,
                    prefer_small_media: false,
                    prefer_large_media: false,
                    show_above_text: false,
                },
            );
        if form == Form::Html {
            request = request.parse_mode(ParseMode::Html);
        }
        if let Some(topic) = topic {
            request = request.message_thread_id(topic);
        }
        request.await.map(|sent| sent.id)
    }
}

fn classify(token: &Secret, error: &RequestError) -> SendError {
    let later = |after, cause| SendError::Later { after, cause };
    match error {
        RequestError::RetryAfter(seconds) => {
            later(Some(seconds.duration()), format!("Telegram asks to wait {} s", seconds.duration().as_secs()))
        }
        RequestError::MigrateToChatId(ChatId(id)) => later(None, format!("the chat keeps moving to {id}")),
        RequestError::Api(api) => classify_api(token, &description(api)),
        RequestError::Network(network) if network.is_connect() => {
            later(None, format!("cannot reach Telegram: {}", safe(token, &innermost(&**network))))
        }
        RequestError::Network(network) if network.is_builder() => {
            SendError::Never { cause: format!("no request can be made: {}", safe(token, &innermost(&**network))) }
        }
        RequestError::Network(network) if network.is_timeout() => {
            SendError::Unsure { cause: format!("no answer from Telegram in {} s", TOTAL.as_secs()) }
        }
        RequestError::Network(network) => {
            SendError::Unsure { cause: format!("the connection broke before the answer: {}", safe(token, &innermost(&**network))) }
        }
        RequestError::InvalidJson { raw, .. } if raw.trim_start().starts_with('<') || raw.contains(r#""ok":false"#) => {
            later(None, format!("Telegram answered with something else: {}", safe(token, raw)))
        }
        RequestError::InvalidJson { raw, .. } => {
            SendError::Unsure { cause: format!("Telegram's answer cannot be read: {:?}", safe(token, raw)) }
        }
        RequestError::Io(error) => SendError::Unsure { cause: safe(token, &error.to_string()) },
    }
}

/// By the description, since the client keeps no status code.
fn classify_api(token: &Secret, description: &str) -> SendError {
    let cause = format!("Telegram says: {}", safe(token, description));
    let starts = |word: &str| description.to_ascii_lowercase().starts_with(word);
    let has = |word: &str| description.to_ascii_lowercase().contains(word);
    if starts("too many requests") {
        let seconds = description.split(|c: char| !c.is_ascii_digit()).find_map(|digits| digits.parse().ok());
        return SendError::Later { after: seconds.map(Duration::from_secs), cause };
    }
    let mend = ["forbidden", "unauthorized", "invalid bot token", "not found"];
    if mend.into_iter().any(starts)
        || ["chat not found", "deactivated", "administrator rights", "not enough rights", "peer_id_invalid"].into_iter().any(has)
    {
        return SendError::Broken { cause };
    }
    if starts("bad request") { SendError::Never { cause } } else { SendError::Later { after: None, cause } }
}

/// What a server or library said, without the token, on one short line.
fn safe(token: &Secret, text: &str) -> String {
    shortened(&visible(&token.scrub(text)), 200).into_owned()
}

fn looks_like_token(token: &str) -> bool {
    token.split_once(':').is_some_and(|(id, secret)| {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        !id.is_empty() && id.chars().all(|c| c.is_ascii_digit()) && !secret.is_empty() && secret.chars().all(word)
    })
}

fn recipient(chat: &Chat) -> Result<Recipient, Problem> {
    match chat {
        Chat::Number(0) => Err(Problem::at("chat_id", "no chat has the number 0")),
        Chat::Number(id) => Ok(Recipient::Id(ChatId(*id))),
        Chat::Name(name) => match name.parse() {
            Ok(id) => Ok(Recipient::Id(ChatId(id))),
            Err(_) if name.starts_with('@') && name.len() > 1 => Ok(Recipient::ChannelUsername(name.clone())),
            Err(_) => Err(Problem::at("chat_id", format!("`{}` is not a chat", visible(name)))
                .help("write the chat's number, such as -1001234567890, or the @name of a public channel")),
        },
    }
}

fn parse_url(text: &str) -> Result<reqwest::Url, Problem> {
    match reqwest::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.host().is_some() => Ok(url),
        _ => Err(Problem::at("api_url", "this is not an http or https address").help("write it like `https://api.telegram.org`")),
    }
}

fn client(proxy: Option<&Secret>, net: &Net) -> Result<reqwest::Client, Problem> {
    let tls = net.tls(&TlsPolicy::default()).map_err(|error| Problem::new(error.to_string()))?;
    let builder = reqwest::Client::builder().connect_timeout(CONNECT).timeout(TOTAL).tcp_nodelay(true).no_proxy();
    let mut builder = builder.use_preconfigured_tls(tls.as_ref().clone());
    if let Some(proxy) = proxy {
        let proxy = reqwest::Proxy::all(proxy.expose())
            .map_err(|_| Problem::at("proxy", "this is not a proxy's address").help("write it like `socks5h://127.0.0.1:1080`"))?;
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(|error| Problem::new(format!("no HTTP client can be made: {}", innermost(&error))))
}

/// What Telegram wrote, where the client has no name for it.
fn description(error: &ApiError) -> String {
    match error {
        ApiError::Unknown(text) => text.clone(),
        known => known.to_string(),
    }
}

fn names_topic(description: &str) -> bool {
    let description = description.to_ascii_lowercase();
    description.contains("thread not found")
        || description.contains("topic_closed")
        || description.contains("topic_deleted")
        || description.contains("topic closed")
}

/// The last cause of an error: the words of the system, without the address that the outer ones quote.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests;
