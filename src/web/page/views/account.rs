//! `/account`: one's own password and tokens.

use axum::response::Response;
use maud::{Markup, html};

use super::super::visit::{View, Visit};
use super::{clean, without_script};

pub async fn account(visit: Visit) -> Response {
    let Some(status) = visit.status().await else { return visit.silent() };
    let tokens = super::people::tokens(&visit, true).await;
    let body = body(&visit, tokens);
    visit.show(View { title: visit.say("Account", "Учётная запись").to_owned(), at: "/account", status: Some(&status), body })
}

fn body(visit: &Visit, tokens: Markup) -> Markup {
    let Some(caller) = &visit.caller else { return html! {} };
    html! {
        h1 {
            (clean(&caller.name))
            " "
            span.faint { (super::people::role_words(visit, caller.role)) }
        }
        (without_script(visit))
        section.act aria-labelledby="password" {
            h2 #password { (visit.say("Password", "Пароль")) }
            form.act.row data-send="POST /api/me/password" {
                input
                    .sight
                    type="text"
                    name="name"
                    value=(caller.name)
                    autocomplete="username"
                    readonly
                    tabindex="-1"
                    aria-hidden="true"
                    data-unsent;
                label {
                    (visit.say("The password as it is", "Нынешний пароль"))
                    input type="password" name="old" autocomplete="current-password" required;
                }
                label {
                    (visit.say("The new one, 10 characters or more", "Новый, от 10 знаков"))
                    input type="password" name="new" autocomplete="new-password" minlength="10" required;
                }
                button { (visit.say("Change", "Сменить")) }
                output role="status" {}
            }
        }
        (tokens)
        section { (visit.log_out(None)) }
    }
}
