//! The Telegram channel of a first file: a token that works, and the chat to write to.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use super::Arguments;
use super::dialogue::Dialogue;
use super::starter::TelegramChannel;
use crate::net::Net;
use crate::notify::telegram::{BotName, FindError, Finder, SeenChat};
use crate::settings::Secret;

/// The variables that the file may name.
pub const TOKEN_VARIABLE: &str = "TELEGRAM_TOKEN";
const PROXY_VARIABLE: &str = "TELEGRAM_PROXY";
/// Between two questions that Telegram did not answer.
const PAUSE: Duration = Duration::from_secs(2);

/// The channel, and the token where it is to be kept in a file of its own.
pub struct Answers {
    pub channel: TelegramChannel,
    pub keep: Option<Secret>,
}

/// Where a token comes from.
enum Origin {
    Variable,
    File(PathBuf),
    Typed,
}

/// A bot that Telegram knows; or one that was taken on trust, without a name.
struct Known {
    finder: Finder,
    name: Option<BotName>,
    token: Secret,
}

/// Asks for the channel; nothing when there shall be none. The service has no variables of the person who asks.
pub async fn ask(dialogue: &Dialogue, arguments: &Arguments, token_file: &str, for_service: bool) -> anyhow::Result<Option<Answers>> {
    let (proxy, proxy_written) = proxy(arguments)?;
    let open = |token: Secret| Finder::new(token, arguments.api_url.as_deref(), proxy.as_ref(), &Net::new());
    let given = given(arguments)?;
    if given.is_none() && dialogue.is_silent() && arguments.chat.is_some() {
        bail!("--chat is of no use without a token: set {TOKEN_VARIABLE}, or name its file with --telegram-token-file");
    }
    let Some((origin, known)) = token(dialogue, given, open).await? else { return Ok(None) };
    if let Some(name) = &known.name {
        dialogue.say(&format!("  This is the bot @{}.", name.user_name))?;
    }
    let mut finder = known.finder;
    let chat = match &arguments.chat {
        Some(chat) => Chosen { chat: readable_chat(chat).map_err(anyhow::Error::msg)?, topic: None, name: None },
        None => chat(dialogue, arguments, &mut finder, known.name.as_ref()).await?,
    };
    let (token, keep) = match origin {
        Origin::Variable if !for_service => (format!("${{{TOKEN_VARIABLE}}}"), None),
        Origin::File(path) => (format!("${{file:{}}}", path.display()), None),
        Origin::Variable | Origin::Typed => (format!("${{file:{token_file}}}"), Some(known.token)),
    };
    let Chosen { chat, topic, name } = chat;
    let channel = TelegramChannel { token, chat, topic, name, api_url: arguments.api_url.clone(), proxy: proxy_written };
    Ok(Some(Answers { channel, keep }))
}

/// The proxy, and what the file says of it: a password stays in its variable.
fn proxy(arguments: &Arguments) -> anyhow::Result<(Option<Secret>, Option<String>)> {
    match &arguments.proxy {
        Some(proxy) if proxy.contains(['@', '"', '\\', '$']) => {
            bail!("a proxy with a password does not belong on a command line: put it into the variable {PROXY_VARIABLE}")
        }
        Some(proxy) => Ok((Some(Secret::new(proxy.clone())), Some(proxy.clone()))),
        None => Ok(match std::env::var(PROXY_VARIABLE).ok().filter(|proxy| !proxy.is_empty()) {
            Some(proxy) => (Some(Secret::new(proxy)), Some(format!("${{{PROXY_VARIABLE}}}"))),
            None => (None, None),
        }),
    }
}

/// The token of a file or of the environment.
fn given(arguments: &Arguments) -> anyhow::Result<Option<(Origin, Secret)>> {
    if let Some(path) = &arguments.telegram_token_file {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        // The file that names it may be in another folder.
        let path = std::path::absolute(path)?;
        let writable = path.to_str().is_some_and(|path| !path.contains(['}', '"', '\\', '$']));
        anyhow::ensure!(writable, "{} has signs in its name that checks.yaml would read as its own", path.display());
        return Ok(Some((Origin::File(path), Secret::new(text.trim().to_owned()))));
    }
    let variable = std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty());
    Ok(variable.map(|token| (Origin::Variable, Secret::new(token))))
}

/// Asks until there is a token that Telegram knows, or none is wanted.
async fn token(
    dialogue: &Dialogue,
    given: Option<(Origin, Secret)>,
    open: impl Fn(Secret) -> Result<Finder, crate::settings::Problem>,
) -> anyhow::Result<Option<(Origin, Known)>> {
    if let Some((origin, token)) = given {
        let source = match &origin {
            Origin::File(path) => path.display().to_string(),
            _ => format!("the variable {TOKEN_VARIABLE}"),
        };
        dialogue.say(&format!("Telegram: the token of {source} is used."))?;
        let finder = open(token.clone()).map_err(|problem| anyhow::anyhow!("{source}: {}", problem.message))?;
        let name = finder.name().await.with_context(|| format!("the bot of {source}"))?;
        return Ok(Some((origin, Known { finder, name: Some(name), token })));
    }
    if dialogue.is_silent() {
        return Ok(None);
    }
    dialogue.say("Telegram: send /newbot to @BotFather there, and it gives you a token.")?;
    loop {
        let token = dialogue.ask_secret("Token of the bot (Enter: no Telegram for now)").await?;
        if token.expose().is_empty() {
            return Ok(None);
        }
        let finder = match open(token.clone()) {
            Ok(finder) => finder,
            Err(problem) => {
                dialogue.say(&format!("  {}", problem.message))?;
                continue;
            }
        };
        match finder.name().await {
            Ok(name) => return Ok(Some((Origin::Typed, Known { finder, name: Some(name), token }))),
            Err(error) => {
                dialogue.say(&format!("  {error}"))?;
                let is_wrong = matches!(error, FindError::Refused(_));
                if !is_wrong && !dialogue.agree("Try again (n: use this token as it is)").await? {
                    return Ok(Some((Origin::Typed, Known { finder, name: None, token })));
                }
            }
        }
    }
}

/// A chat that messages go to.
struct Chosen {
    chat: String,
    topic: Option<i32>,
    name: Option<String>,
}

impl From<SeenChat> for Chosen {
    fn from(chat: SeenChat) -> Self {
        Self { chat: chat.id.to_string(), topic: chat.topic, name: Some(chat.name) }
    }
}

/// Waits for somebody to write to the bot, and asks whether that is the chat; its number can be written too.
async fn chat(dialogue: &Dialogue, arguments: &Arguments, finder: &mut Finder, name: Option<&BotName>) -> anyhow::Result<Chosen> {
    let mut seen: Vec<SeenChat> = Vec::new();
    loop {
        let bot = name.map_or("the bot".to_owned(), |name| format!("@{}", name.user_name));
        let what = if name.is_none_or(|name| name.hears_only_commands) { "/start" } else { "anything" };
        dialogue.say(&format!(
            "  Now write {what} to {bot}, or add it to your group and write {what} there. Waiting for at most {}.",
            humantime::format_duration(arguments.wait)
        ))?;
        match wait(finder, arguments.wait).await {
            Ok(chats) => {
                for chat in chats {
                    seen.retain(|known| known.id != chat.id);
                    seen.push(chat);
                }
            }
            Err(error) if dialogue.is_silent() => bail!("{error}; name the chat with --chat"),
            Err(error) => dialogue.say(&format!("  {error}"))?,
        }
        for (index, chat) in seen.iter().enumerate() {
            dialogue.say(&format!("  {:>2}  {}, number {}", index + 1, chat.name, chat.id))?;
        }
        if dialogue.is_silent() {
            match <[SeenChat; 1]>::try_from(seen) {
                Ok([chat]) => return Ok(chat.into()),
                Err(seen) if seen.is_empty() => bail!("nobody wrote to the bot; name the chat with --chat"),
                Err(_) => bail!("several chats wrote to the bot; name one with --chat"),
            }
        }
        let (question, proposed) = match seen.len() {
            0 => ("The chat's number (Enter: wait again)", ""),
            1 => ("Which one, or another chat's number (0: wait again)", "1"),
            _ => ("Which one, or another chat's number (Enter: wait again)", ""),
        };
        let chosen = dialogue.ask_until(question, proposed, |answer| choose(answer, &seen)).await?;
        if let Some(chosen) = chosen {
            return Ok(chosen);
        }
    }
}

/// One of the list, a chat's own number or name; nothing: wait again.
fn choose(answer: &str, seen: &[SeenChat]) -> Result<Option<Chosen>, String> {
    match answer.parse::<usize>() {
        Ok(0) => return Ok(None),
        Ok(number) if number <= seen.len() => return Ok(Some(seen[number - 1].clone().into())),
        _ if answer.is_empty() => return Ok(None),
        _ => {}
    }
    let known = seen.iter().find(|chat| chat.id.to_string() == answer);
    match known {
        Some(chat) => Ok(Some(chat.clone().into())),
        None => readable_chat(answer).map(|chat| Some(Chosen { chat, topic: None, name: None })),
    }
}

fn readable_chat(text: &str) -> Result<String, String> {
    let is_name =
        text.strip_prefix('@').is_some_and(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
    match text.parse::<i64>() {
        Ok(number) if number != 0 => Ok(number.to_string()),
        _ if is_name => Ok(text.to_owned()),
        _ => Err(format!(
            "`{}` is not a chat: write its number, such as -1001234567890, or the @name of a public channel",
            crate::domain::text::visible(text)
        )),
    }
}

/// Asks until somebody wrote, or the time is over, with a sign of life for who looks on.
async fn wait(finder: &mut Finder, within: Duration) -> Result<Vec<SeenChat>, FindError> {
    let bar = if io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("  {spinner} waiting for a message, {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    let waited = until_somebody_wrote(finder, within).await;
    bar.finish_and_clear();
    waited
}

/// A network that fails for a moment is waited out.
async fn until_somebody_wrote(finder: &mut Finder, within: Duration) -> Result<Vec<SeenChat>, FindError> {
    let ends = Instant::now() + within;
    let mut last = Ok(Vec::new());
    loop {
        let left = ends.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return last;
        }
        last = finder.chats(left).await;
        match &last {
            Ok(chats) if chats.is_empty() => {}
            Err(FindError::Later(after, _)) => tokio::time::sleep(after.unwrap_or(PAUSE).min(left)).await,
            _ => return last,
        }
    }
}

/// The file that a token is kept in, beside the configuration.
pub fn token_file(folder: &Path) -> PathBuf {
    folder.join("telegram_token")
}
