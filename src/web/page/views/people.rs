//! People and their tokens, as an admin sees them, and everybody their own tokens.

use chrono::{DateTime, FixedOffset, Utc};
use maud::{Markup, html};

use super::super::links::quoted;
use super::super::visit::Visit;
use super::{careful_button, clean, moment};
use crate::access::Role;
use crate::control::Status;

/// Everybody with an account.
pub async fn users(visit: &Visit, status: &Status) -> Markup {
    let users = visit.house.accounts.users().await;
    html! {
        section aria-labelledby="users" {
            h2 #users { (visit.say("People", "Люди")) }
            form.act.row data-send="POST /api/users" {
                label {
                    (visit.say("Name", "Имя"))
                    input type="text" name="name" required maxlength="64" autocomplete="off" autocapitalize="none" spellcheck="false";
                }
                label { (visit.say("Role", "Роль")) (roles(visit, Role::Viewer, &[Role::Viewer, Role::Operator, Role::Admin])) }
                label {
                    (visit.say("Password, 10 characters or more", "Пароль, от 10 знаков"))
                    input type="password" name="password" autocomplete="new-password" minlength="10" required;
                }
                button { (visit.say("Add", "Добавить")) }
                output role="status" {}
            }
            div #people data-live {
                @match users {
                    Err(_) => p.empty { (visit.say("The list cannot be read now.", "Список сейчас не читается.")) },
                    Ok(users) if users.is_empty() => p.empty { (visit.say("Nobody has an account.", "Учётных записей нет.")) },
                    Ok(users) => table.cards {
                        thead {
                            tr {
                                th { (visit.say("Name", "Имя")) }
                                th { (visit.say("Role", "Роль")) }
                                th { (visit.say("Since", "С")) }
                                th { (visit.say("Last seen", "Последний вход")) }
                                th {
                                    span.sight { (visit.say("What can be done", "Действия")) }
                                }
                            }
                        }
                        tbody {
                            @for user in &users {
                                tr {
                                    td { (clean(&user.name)) }
                                    td { (role_words(visit, user.role)) }
                                    td.faint data-label=(visit.say("Since", "С")) {
                                        (moment(zoned(visit, user.created), status.time, visit.tongue))
                                    }
                                    td.faint data-label=(visit.say("Last seen", "Последний вход")) {
                                        @if let Some(seen) = user.seen { (moment(zoned(visit, seen), status.time, visit.tongue)) } @else {
                                            "–"
                                        }
                                    }
                                    td.buttons {
                                        form.act data-send={ "PATCH /api/users/" (quoted(&user.name)) } {
                                            label.sight { (visit.say("Role of", "Роль")) " " (clean(&user.name)) }
                                            (roles(visit, user.role, &[Role::Viewer, Role::Operator, Role::Admin]))
                                            button { (visit.say("Change", "Сменить")) }
                                            output role="status" {}
                                        }
                                        (careful_button(
                                            &format!("DELETE /api/users/{}", quoted(&user.name)),
                                            visit.say("Remove", "Убрать"),
                                            visit.say("Really remove?", "Точно убрать?"),
                                        ))
                                    }
                                }
                            }
                        }
                    },
                }
            }
        }
    }
}

/// Of everybody, or one's own.
pub async fn tokens(visit: &Visit, own: bool) -> Markup {
    let name = visit.caller.as_ref().map(|caller| caller.name.as_str());
    let role = visit.caller.as_ref().map_or(Role::Metrics, |caller| caller.role);
    let tokens = visit.house.accounts.tokens(name.filter(|_| own)).await;
    let may: Vec<Role> = Role::ALL.into_iter().filter(|one| *one <= role).collect();
    html! {
        section aria-labelledby="tokens" {
            h2 #tokens { (visit.say("Tokens for programs", "Токены для программ")) }
            form
                .act
                .row
                data-send="POST /api/tokens"
                data-once=(visit.say("Copy it now: it is shown only once.", "Скопируйте сейчас: он показан один раз."))
                data-copy=(visit.say("Copy", "Скопировать"))
            {
                label {
                    (visit.say("What for", "Для чего"))
                    input type="text" name="name" required maxlength="64" autocomplete="off";
                }
                label { (visit.say("Role", "Роль")) (roles(visit, may.first().copied().unwrap_or(Role::Metrics), &may)) }
                label {
                    (visit.say("For days", "На дней"))
                    input type="number" name="days" value="90" min="1" max="3650" data-number required;
                }
                button { (visit.say("Make a token", "Создать токен")) }
                output role="status" {}
            }
            div #token-list data-live {
                @match tokens {
                    Err(_) => p.empty { (visit.say("The list cannot be read now.", "Список сейчас не читается.")) },
                    Ok(tokens) if tokens.is_empty() => p.empty { (visit.say("There are none.", "Их нет.")) },
                    Ok(tokens) => table.cards {
                        thead {
                            tr {
                                th { (visit.say("What for", "Для чего")) }
                                @if !own {
                                    th { (visit.say("Whose", "Чей")) }
                                }
                                th { (visit.say("Role", "Роль")) }
                                th { (visit.say("Until", "До")) }
                                th { (visit.say("Last used", "Последнее использование")) }
                                th {
                                    span.sight { (visit.say("What can be done", "Действия")) }
                                }
                            }
                        }
                        tbody {
                            @for token in &tokens {
                                tr {
                                    td { (clean(&token.name)) }
                                    @if !own {
                                        td { (clean(&token.user)) }
                                    }
                                    td { (role_words(visit, token.role)) }
                                    td data-label=(visit.say("Until", "До")) { (zoned(visit, token.until).format("%Y-%m-%d")) }
                                    td.faint data-label=(visit.say("Last used", "Последнее использование")) {
                                        @if let Some(seen) = token.seen { (zoned(visit, seen).format("%Y-%m-%d %H:%M")) } @else { "–" }
                                    }
                                    td.buttons {
                                        (careful_button(
                                            &format!("DELETE /api/tokens/{}", token.number),
                                            visit.say("Revoke", "Отозвать"),
                                            visit.say("Really revoke?", "Точно отозвать?"),
                                        ))
                                    }
                                }
                            }
                        }
                    },
                }
            }
        }
    }
}

fn roles(visit: &Visit, chosen: Role, roles: &[Role]) -> Markup {
    html! {
        select name="role" aria-label=(visit.say("Role", "Роль")) {
            @for role in roles {
                option value=(role.name()) selected[*role == chosen] { (role_words(visit, *role)) }
            }
        }
    }
}

pub fn role_words(visit: &Visit, role: Role) -> &'static str {
    match role {
        Role::Metrics => visit.say("metrics", "метрики"),
        Role::Viewer => visit.say("viewer", "наблюдатель"),
        Role::Operator => visit.say("operator", "оператор"),
        Role::Admin => visit.say("admin", "администратор"),
    }
}

fn zoned(visit: &Visit, at: DateTime<Utc>) -> DateTime<FixedOffset> {
    at.with_timezone(&visit.house.zone).fixed_offset()
}
