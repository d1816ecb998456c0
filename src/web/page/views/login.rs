//! `/login` and `/setup`: plain forms, which need no script.

use maud::{Markup, html};

use super::super::visit::sheet;
use super::super::words::Tongue;
use super::clean;

/// Who are you? After it they go to `next`.
pub fn login(tongue: Tongue, problem: Option<&str>, next: &str) -> Markup {
    let title = tongue.say("Log in", "Вход");
    card(
        title,
        tongue,
        problem,
        html! {
            form method="post" action="/login" {
                input type="hidden" name="next" value=(next);
                label {
                    (tongue.say("Name", "Имя"))
                    input type="text" name="name" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus;
                }
                label {
                    (tongue.say("Password", "Пароль"))
                    input type="password" name="password" autocomplete="current-password" required;
                }
                button { (tongue.say("Log in", "Войти")) }
            }
        },
    )
}

/// The first person makes themselves known, with the secret that the watch has put into its state folder.
pub fn first_login(tongue: Tongue, problem: Option<&str>) -> Markup {
    let title = tongue.say("The first login", "Первый вход");
    card(
        title,
        tongue,
        problem,
        html! {
            p {
                (tongue.say(
                    "Nobody has an account yet. The watch has put a secret into the file `first-login` of its state folder; \
                        whoever can read it makes the first administrator.",
                    "Учётных записей ещё нет. Вахта положила секрет в файл `first-login` в своей папке состояния; \
                        кто может его прочесть, создаёт первого администратора.",
                ))
            }
            form method="post" action="/setup" {
                label {
                    (tongue.say("The secret from that file", "Секрет из файла"))
                    input type="text" name="token" autocomplete="off" spellcheck="false" required autofocus;
                }
                label {
                    (tongue.say("Name", "Имя"))
                    input type="text" name="name" autocomplete="username" autocapitalize="none" spellcheck="false" required;
                }
                label {
                    (tongue.say("Password, 10 characters or more", "Пароль, от 10 знаков"))
                    input type="password" name="password" autocomplete="new-password" minlength="10" required;
                }
                button { (tongue.say("Make the account", "Создать")) }
            }
        },
    )
}

/// There is nothing to see, and why.
pub fn nothing(why: &str, tongue: Tongue) -> Markup {
    card(
        tongue.say("Something went wrong", "Что-то не так"),
        tongue,
        Some(why),
        html! {
            p {
                a.button href="/" { (tongue.say("To the overview", "К обзору")) }
            }
        },
    )
}

fn card(title: &str, tongue: Tongue, problem: Option<&str>, body: Markup) -> Markup {
    sheet(
        &format!("{title} · Vakhta"),
        tongue,
        false,
        None,
        html! {
            main #main.card tabindex="-1" {
                p.brand { "Vakhta" }
                h1 { (title) }
                @if let Some(problem) = problem {
                    p.notice.bad role="alert" { (clean(problem)) }
                }
                (body)
            }
        },
    )
}
