//! A bot that is no channel yet: whether its token is right, and which chats write to it.

use std::collections::HashMap;
use std::time::Duration;

use teloxide::payloads::GetUpdatesSetters;
use teloxide::prelude::Requester;
use teloxide::types::{Chat, ThreadId, Update, UpdateKind};
use teloxide::{Bot, RequestError};

use super::{classify, client, description, looks_like_token, parse_url, safe};
use crate::domain::text::{shortened, visible};
use crate::net::Net;
use crate::notify::SendError;
use crate::settings::{Problem, Secret};

/// The longest that one request waits for messages; the client gives up some seconds later.
const LONGEST_POLL: Duration = Duration::from_secs(10);

/// Asks Telegram about a bot.
pub struct Finder {
    bot: Bot,
    token: Secret,
    /// The first update that was not seen yet.
    next: i32,
}

/// What a bot is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotName {
    /// Without the `@`.
    pub user_name: String,
    /// In groups it is shown only commands, unless its privacy mode was turned off with @BotFather.
    pub hears_only_commands: bool,
}

/// A chat in which something happened that the bot was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenChat {
    pub id: i64,
    pub topic: Option<i32>,
    /// `the group Ops` or `Anna (@anna)`: for people, safe to show.
    pub name: String,
}

/// Why Telegram says nothing of the bot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// The token is wrong, or its bot may do nothing.
    #[error("{0}")]
    Refused(String),
    /// Somebody else is given the bot's messages.
    #[error("{0}")]
    Taken(String),
    /// It may go better after so long, or in a moment.
    #[error("{1}")]
    Later(Option<Duration>, String),
}

impl Finder {
    /// `api_url` and `proxy` as a channel has them.
    pub fn new(token: Secret, api_url: Option<&str>, proxy: Option<&Secret>, net: &Net) -> Result<Self, Problem> {
        if !looks_like_token(token.expose()) {
            return Err(Problem::new("this is not a bot token: digits, a colon, then letters and digits, as @BotFather writes it"));
        }
        let mut bot = Bot::with_client(token.expose(), client(proxy, net)?);
        if let Some(url) = api_url {
            bot = bot.set_api_url(parse_url(url)?);
        }
        Ok(Self { bot, token, next: 0 })
    }

    /// Whose token it is.
    pub async fn name(&self) -> Result<BotName, FindError> {
        let me = self.bot.get_me().await.map_err(|error| self.classify(&error))?;
        let user_name = shortened(&visible(me.user.username.as_deref().unwrap_or("?")), 64).into_owned();
        Ok(BotName { user_name, hears_only_commands: !me.can_read_all_group_messages })
    }

    /// The chats that wrote since the last question, each once; waits at most about so long for the first.
    pub async fn chats(&mut self, within: Duration) -> Result<Vec<SeenChat>, FindError> {
        // Whole seconds, and not none for the rest of one: that would be asking without a pause.
        let within = within.min(LONGEST_POLL).as_millis().div_ceil(1000) as u32;
        let updates = self.bot.get_updates().offset(self.next).timeout(within).await.map_err(|error| self.classify(&error))?;
        if let Some(last) = updates.last() {
            self.next = last.id.as_offset();
        }
        let (mut chats, mut at) = (Vec::<SeenChat>::new(), HashMap::new());
        for chat in updates.iter().filter_map(seen) {
            // A topic wins over the chat that it is in.
            match at.get(&chat.id).copied() {
                None => {
                    at.insert(chat.id, chats.len());
                    chats.push(chat);
                }
                Some(index) => chats[index] = chat,
            }
        }
        Ok(chats)
    }

    fn classify(&self, error: &RequestError) -> FindError {
        if let RequestError::Api(api) = error {
            let said = description(api);
            let lower = said.to_ascii_lowercase();
            if lower.starts_with("conflict") || lower.contains("webhook is active") {
                return FindError::Taken(format!("another program is given the messages of this bot ({})", safe(&self.token, &said)));
            }
        }
        match classify(&self.token, error) {
            SendError::Broken { cause } | SendError::Never { cause } => FindError::Refused(cause),
            SendError::Later { after, cause } => FindError::Later(after, cause),
            SendError::Unsure { cause } => FindError::Later(None, cause),
        }
    }
}

fn seen(update: &Update) -> Option<SeenChat> {
    let chat = update.chat()?;
    let topic = match &update.kind {
        UpdateKind::Message(message) if message.is_topic_message => message.thread_id.map(|ThreadId(id)| id.0),
        _ => None,
    };
    Some(SeenChat { id: chat.id.0, topic, name: shortened(&visible(&called(chat)), 80).into_owned() })
}

fn called(chat: &Chat) -> String {
    let user_name = chat.username().map(|name| format!(" (@{name})")).unwrap_or_default();
    match chat.title() {
        Some(title) if chat.is_channel() => format!("the channel {title}{user_name}"),
        Some(title) => format!("the group {title}{user_name}"),
        None => {
            let names: Vec<&str> = [chat.first_name(), chat.last_name()].into_iter().flatten().collect();
            format!("{}{user_name}", names.join(" "))
        }
    }
}
