//! What is new appears by itself.

use std::sync::atomic::Ordering;

use super::Browser;
use crate::bot::FakeBot;
use crate::program::{Place, until};
use crate::service::Service;
use crate::web::visitor::address;

fn place(bot: &FakeBot, service: &Service) -> Place {
    Place::new(&format!(
        "host: srv-01\ntimezone: UTC\nweb: {{ listen: \"127.0.0.1:0\" }}\nchannels:\n  ops: {}\nchecks:\n  - name: atto\n    {}\n    every: 100ms\n    fail_after: 2\n",
        bot.section(),
        service.section()
    ))
}

/// Somebody looks at the page while it happens: they log in, see it fail, take it on, and see it recover, on one document.
#[test]
fn an_incident_appears_is_acknowledged_and_goes_without_a_reload() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service);
    let program = place.start();
    let Some(browser) = Browser::open("web::an_incident_appears", address(&program), "en") else { return };
    place.said(&["user", "add", "ann", "--role", "operator"], super::PASSWORD);
    browser.go("/incidents");
    assert_eq!(browser.path(), "/login");
    browser.log_in("ann", "not the password");
    browser.shows("[role=alert]", "Wrong name or password");
    browser.log_in("ann", super::PASSWORD);
    until("they are where they wanted to be", || (browser.path() == "/incidents").then_some(()));
    browser.click("header a.brand");
    browser.shows(".said", "Everything is in order");
    assert_eq!(browser.text("header .me a"), "ann");

    browser.run("window.mark = 1");
    service.well.store(false, Ordering::SeqCst);
    browser.shows(".failing", "the answer has no `PONG`");
    until("the title counts it", || browser.run("return document.title").as_str().unwrap().starts_with("(1) ").then_some(()));
    assert_eq!(browser.run("return document.getElementById('icon').getAttribute('href')"), "/icon-bad.svg");
    assert_eq!(browser.run("return window.mark"), 1, "there was no reload");

    bot.texts(1);
    browser.click(".failing td.number a");
    browser.shows("#tale", "ops: told that it failed");
    browser.run("window.mark = 2");
    browser.click("#acknowledge-it summary");
    browser.write("#acknowledge-it [name=note]", "on my way");
    browser.click("#acknowledge-it button");
    browser.shows("#tale", "acknowledged by ann, so nobody is reminded of it: on my way");
    browser.shows("#live", "ann, ");
    service.well.store(true, Ordering::SeqCst);
    browser.shows(".said", "It is over");
    assert_eq!(browser.run("return window.mark"), 2, "there was no reload");
    browser.is_clean();
    program.stop();
}

/// Somebody logs in anew in another window.
#[test]
fn a_page_that_stayed_open_over_a_new_login_takes_it_up() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service);
    let program = place.start();
    let Some(browser) = Browser::open("web::a_page_that_stayed_open", address(&program), "en") else { return };
    browser.enter(&place, "operator");
    browser.go("/silences");
    browser.run("window.mark = 1; window.before = document.getElementById('csrf').content");
    browser.run(&format!(
        "fetch('/login', {{ method: 'POST', body: new URLSearchParams({{ name: 'operator', password: '{}' }}) }})",
        super::PASSWORD
    ));
    until("it has the new token", || {
        (browser.run("return document.getElementById('csrf').content !== window.before") == true).then_some(())
    });
    browser.write("#main section [name=about]", "atto");
    browser.click("#main section button");
    browser.shows("#live table", "atto");
    assert_eq!(browser.run("return window.mark"), 1, "there was no reload");
    // What it held before is refused, and how it goes on is said.
    browser.run("document.getElementById('csrf').content = window.before; document.querySelector('#main section form').requestSubmit()");
    browser.shows("#main section output", "Reload that page and try again.");
    browser.is_clean();
    browser.click("header .me button");
    until("they are logged out", || (browser.path() == "/login").then_some(()));
    program.stop();
}

/// A proxy that knows no event streams, say.
#[test]
fn without_the_feed_the_page_is_polled_and_a_silent_watch_is_said() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service);
    let program = place.start();
    let Some(browser) = Browser::open("web::without_the_feed", address(&program), "ru-RU,ru") else { return };
    browser.before_each_document("delete window.EventSource");
    browser.enter(&place, "viewer");
    browser.shows(".said", "Всё в порядке");
    assert_eq!(browser.run("return document.querySelectorAll('form.act').length"), 0, "a viewer sees no button that would be refused");
    browser.run("window.mark = 1");
    service.well.store(false, Ordering::SeqCst);
    browser.shows(".failing", "the answer has no `PONG`");
    assert_eq!(browser.run("return window.mark"), 1, "there was no reload");
    program.stop();
    browser.shows("#lost", "Вахта не отвечает");
    browser.is_clean();
}
