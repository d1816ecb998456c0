//! What people do from the page.

use fantoccini::key::Key;

use super::Browser;
use crate::bot::FakeBot;
use crate::program::{Place, until};
use crate::service::Service;
use crate::web::visitor::address;

#[test]
fn a_machine_a_silence_a_user_and_a_token_are_made_through_forms() {
    let (bot, service, second) = (FakeBot::start(""), Service::start(), Service::start());
    let place = Place::new(&format!(
        "host: srv-01\ntimezone: UTC\nweb: {{ listen: \"127.0.0.1:0\" }}\nchannels:\n  ops: {}\nchecks:\n  - name: atto\n    {}\n    every: 100ms\n",
        bot.section(),
        service.section()
    ));
    let program = place.start();
    let Some(browser) = Browser::open("web::through_forms", address(&program), "en") else { return };
    browser.enter(&place, "admin");
    browser.go("/admin");
    browser.write("form[data-send='POST /api/machines'] [name=target]", "not an address");
    browser.click("form[data-send='POST /api/machines'] button");
    until("it says what is wrong", || (!browser.text("form[data-send='POST /api/machines'] output.bad").is_empty()).then_some(()));
    browser.run("document.querySelector(\"form[data-send='POST /api/machines'] [name=target]\").value = ''");
    browser.write("form[data-send='POST /api/machines'] [name=target]", &second.address.to_string());
    browser.click("form[data-send='POST /api/machines'] button");
    browser.shows("#live", &second.address.to_string());
    second.asked_again(2);

    // The first press asks, the second is meant.
    browser.click("form[data-send^='DELETE /api/machines'] button");
    browser.shows("form[data-send^='DELETE /api/machines'] button", "Really remove?");
    browser.click("form[data-send^='DELETE /api/machines'] button");
    browser.shows("#live", "None was added.");

    browser.write("form[data-send='POST /api/tokens'] [name=name]", "a script");
    browser.click("form[data-send='POST /api/tokens'] button");
    until("the token is shown", || (browser.text(".once code").len() > 20).then_some(()));
    browser.shows("#token-list", "a script");
    browser.write("form[data-send='POST /api/users'] [name=name]", "bob");
    browser.write("form[data-send='POST /api/users'] [name=password]", "short");
    browser.write("form[data-send='POST /api/users'] [name=password]", " no more, long enough");
    browser.click("form[data-send='POST /api/users'] button");
    browser.shows("#people", "bob");
    browser.click("form[data-send='POST /api/channels/ops/test'] button");
    bot.texts(1);
    browser.shows("#audit-list", "bob");

    // A chart is read with the arrows.
    let target = format!("/target?check=atto&target={}", service.address);
    until("numbers are kept and drawn", || {
        browser.go(&target);
        (browser.run("return document.querySelectorAll('.chart').length").as_u64() > Some(1)).then_some(())
    });
    browser.run("document.querySelector('.chart svg').focus()");
    browser.press(&Key::Left.to_string());
    until("the chart is read out", || browser.text(".chart .read").contains(" · ").then_some(()));

    // By keyboard alone: the slash goes to the filter, Tab to the switch and the button.
    browser.go("/check?name=atto");
    browser.press("/");
    browser.press("nowhere");
    browser.press(&Key::Enter.to_string());
    browser.shows("#live", "No such target.");
    browser.go("/check?name=atto");
    browser.press(&Key::Tab.to_string());
    assert_eq!(browser.run("return document.activeElement.className"), "skip", "the first stop skips what is the same on every view");
    let stops = (0..30).find(|_| {
        browser.press(&Key::Tab.to_string());
        browser.run("return document.activeElement.id") == "find"
    });
    assert!(stops.is_some(), "the filter can be reached with Tab");

    browser.go("/silences");
    browser.write("#main section [name=about]", "atto");
    browser.write("#main section [name=comment]", "moving it");
    browser.click("#main section button");
    browser.shows("#live table", "moving it");
    browser.click("#live form button");
    browser.click("#live form button");
    browser.shows("#live", "Nothing is silenced.");
    browser.go("/account");
    browser.write("[name=old]", super::PASSWORD);
    browser.write("[name=new]", "another long password");
    browser.click("form[data-send='POST /api/me/password'] button");
    browser.shows("form[data-send='POST /api/me/password'] output", "✓");
    // The page goes on in the new session.
    browser.write("form[data-send='POST /api/tokens'] [name=name]", "another script");
    browser.click("form[data-send='POST /api/tokens'] button");
    browser.shows("#token-list", "another script");
    browser.is_clean();
    browser.click("header .me button");
    until("they are logged out", || (browser.path() == "/login").then_some(()));
    program.stop();
}
