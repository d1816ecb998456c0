//! `vakhta user …` and `vakhta token …`: who may log in, and what programs may.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use clap::Subcommand;

use super::table::{Cell, Table};
use super::{GOOD, ask, print_line, quiet, say, silence};
use crate::access::{Passwords, Role, Ticket, fit_name, fit_password};
use crate::store::accounts::{Accounts, By, NewToken, TOKEN_PREFIX};

/// A token that nobody renews is forgotten.
const LONGEST_DAYS: u32 = 3650;

#[derive(Debug, clap::Args)]
pub struct UserArguments {
    #[command(subcommand)]
    command: UserCommand,
    #[command(flatten)]
    watch: ask::Watch,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Let somebody log in; the password is asked for, or read from standard input
    Add {
        /// Letters, digits and the signs `.`, `_`, `-` and `@`
        name: String,
        /// viewer, operator or admin
        #[arg(long, default_value = "viewer")]
        role: Role,
    },
    /// Give somebody another password; all their sessions end
    Passwd {
        /// Whose
        name: String,
    },
    /// Give somebody another role; all their sessions end
    Role {
        /// Whose
        name: String,
        /// viewer, operator or admin
        role: Role,
    },
    /// List the users
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Let somebody log in no more; their sessions and tokens end
    Remove {
        /// Who
        name: String,
    },
}

#[derive(Debug, clap::Args)]
pub struct TokenArguments {
    #[command(subcommand)]
    command: TokenCommand,
    #[command(flatten)]
    watch: ask::Watch,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token for a program; it is printed once
    Add {
        /// What it is for, such as `prometheus`
        name: String,
        /// Whose it is; it may never do more than they may, and ends with them
        #[arg(long)]
        user: String,
        /// metrics, viewer, operator or admin
        #[arg(long, default_value = "viewer")]
        role: Role,
        /// For how many days
        #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=i64::from(LONGEST_DAYS)))]
        days: u32,
    },
    /// List the tokens
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// End a token
    Remove {
        /// As `vakhta token list` has it
        number: i64,
    },
}

pub fn users(file: Option<&Path>, arguments: &UserArguments) -> anyhow::Result<u8> {
    let accounts = accounts(file, &arguments.watch)?;
    super::runtime()?.block_on(change_users(&accounts, &arguments.command))
}

pub fn tokens(file: Option<&Path>, arguments: &TokenArguments) -> anyhow::Result<u8> {
    let accounts = accounts(file, &arguments.watch)?;
    super::runtime()?.block_on(change_tokens(&accounts, &arguments.command))
}

fn accounts(file: Option<&Path>, watch: &ask::Watch) -> anyhow::Result<Accounts> {
    let folder = watch.folder(file)?;
    let there = folder.join(crate::store::FILE).exists();
    ensure!(there, "there is no {} yet; start the watch once with `vakhta run`", folder.join(crate::store::FILE).display());
    Ok(Accounts::of(&folder))
}

async fn change_users(accounts: &Accounts, command: &UserCommand) -> anyhow::Result<u8> {
    let caller = silence::caller();
    let by = By { name: &caller, at: Utc::now() };
    match command {
        UserCommand::Add { name, role } => {
            fit_name(name)?;
            ensure!(*role >= Role::Viewer, "`metrics` is for tokens; a user is viewer, operator or admin");
            let kept = new_password(name).await?;
            accounts.add_user(name, *role, &kept, by).await?;
            print_line(&format!("{name} may log in as {}", role.name()))?;
        }
        UserCommand::Passwd { name } => {
            let known = accounts.password(name).await?;
            ensure!(known.is_some(), "there is no user `{name}`");
            let kept = new_password(name).await?;
            accounts.set_password(name, &kept, by).await?;
            print_line(&format!("{name} has another password; all their sessions ended"))?;
        }
        UserCommand::Role { name, role } => {
            ensure!(*role >= Role::Viewer, "`metrics` is for tokens; a user is viewer, operator or admin");
            accounts.set_role(name, *role, by).await?;
            print_line(&format!("{name} is {} from now on; all their sessions ended", role.name()))?;
        }
        UserCommand::List { json } => list_users(accounts, *json).await?,
        UserCommand::Remove { name } => {
            accounts.remove_user(name, by).await?;
            print_line(&format!("{name} may log in no more"))?;
        }
    }
    Ok(GOOD)
}

async fn new_password(name: &str) -> anyhow::Result<String> {
    let password = quiet::new_password().await?;
    fit_password(name, &password)?;
    Ok(Passwords::default().keep(password).await?)
}

async fn list_users(accounts: &Accounts, json: bool) -> anyhow::Result<()> {
    let users = accounts.users().await?;
    if json {
        let rows = users
            .iter()
            .map(|user| serde_json::json!({ "name": user.name, "role": user.role, "created": user.created, "seen": user.seen }));
        return print_line(&serde_json::to_string_pretty(&rows.collect::<Vec<_>>())?);
    }
    if users.is_empty() {
        return print_line("nobody may log in; `vakhta user add NAME --role admin` makes the first user");
    }
    let mut table = Table::new(["NAME", "ROLE", "SINCE", "LAST THERE"]);
    for user in users {
        let seen = user.seen.map_or_else(|| "-".to_owned(), local);
        table.row([Cell::plain(&user.name), Cell::plain(user.role.name()), Cell::plain(local(user.created)), Cell::plain(seen)]);
    }
    Ok(table.print()?)
}

async fn change_tokens(accounts: &Accounts, command: &TokenCommand) -> anyhow::Result<u8> {
    let caller = silence::caller();
    let by = By { name: &caller, at: Utc::now() };
    match command {
        TokenCommand::Add { name, user, role, days } => {
            ensure!((1..=64).contains(&name.chars().count()), "a token's name has 1 to 64 letters");
            let Some((user, _)) = accounts.password(user).await? else { bail!("there is no user `{user}`; `vakhta user list` lists them") };
            let ticket = Ticket::draw(TOKEN_PREFIX).ok().context("the system gives no random numbers")?;
            let until = by.at + TimeDelta::days(i64::from(*days));
            let number = accounts.add_token(NewToken { digest: ticket.digest(), name, user: &user, role: *role, until }, by).await?;
            print_line(ticket.expose())?;
            say(&format!("token {number} of {user}, {} until {}; it is not shown again", role.name(), local(until)));
        }
        TokenCommand::List { json } => list_tokens(accounts, *json).await?,
        TokenCommand::Remove { number } => {
            ensure!(accounts.remove_token(*number, None, by).await?, "there is no token {number}");
            print_line(&format!("token {number} is ended"))?;
        }
    }
    Ok(GOOD)
}

async fn list_tokens(accounts: &Accounts, json: bool) -> anyhow::Result<()> {
    let tokens = accounts.tokens(None).await?;
    if json {
        let rows = tokens.iter().map(|token| {
            let (since, until, seen) = (token.since, token.until, token.seen);
            serde_json::json!({ "number": token.number, "name": token.name, "user": token.user, "role": token.role, "since": since, "until": until, "seen": seen })
        });
        return print_line(&serde_json::to_string_pretty(&rows.collect::<Vec<_>>())?);
    }
    if tokens.is_empty() {
        return print_line("there is no token; `vakhta token add NAME --user USER` makes one");
    }
    let mut table = Table::new(["NUMBER", "NAME", "USER", "ROLE", "UNTIL", "LAST USED"]);
    for token in tokens {
        let seen = token.seen.map_or_else(|| "-".to_owned(), local);
        let until = if token.until <= Utc::now() { "over".to_owned() } else { local(token.until) };
        table.row([
            Cell::plain(token.number.to_string()),
            Cell::plain(&token.name),
            Cell::plain(&token.user),
            Cell::plain(token.role.name()),
            Cell::plain(until),
            Cell::plain(seen),
        ]);
    }
    Ok(table.print()?)
}

fn local(time: DateTime<Utc>) -> String {
    time.with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M").to_string()
}
