//! Every view as the server writes it, without a script.

use std::sync::atomic::Ordering;

use crate::bot::FakeBot;
use crate::program::{Place, until};
use crate::service::Service;
use crate::web::visitor::Visitor;

#[test]
fn every_view_is_whole_without_a_script() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = Place::new(&format!(
        "host: srv-01\ntimezone: UTC\nweb: {{ listen: \"127.0.0.1:0\", public: true }}\nchannels:\n  ops: {}\nchecks:\n  - name: atto\n    {}\n    every: 100ms\n    fail_after: 2\n    comment: call the shop\n    labels: {{ group: shops }}\n    rules: [ latency > 10s ]\n  - {{ name: this machine, host: {{}}, every: 1s }}\n",
        bot.section(),
        service.section()
    ));
    let program = place.start();
    let [viewer, admin] = ["viewer", "admin"].map(|role| Visitor::with_role(&place, &program, role));
    let page = |path: &str| viewer.ask("GET", path, "Accept: text/html\r\n", "");
    service.asked_again(2);
    service.well.store(false, Ordering::SeqCst);
    bot.texts(1);
    let target = format!("/target?check=atto&target={}", service.address);
    until("a number is kept and drawn", || page(&target).body.contains("<path class=\"line\"").then_some(()));
    let history = until("the incident is kept", || Some(page("/incidents?state=open").body).filter(|body| body.contains("#1</a>")));
    assert!(history.contains("the answer has no `PONG`") && !page("/incidents?state=closed").body.contains("#1</a>"), "{history}");
    assert!(
        !page("/incidents?target=nowhere").body.contains("#1</a>") && page("/incidents?span=24h&severity=critical").body.contains("#1</a>")
    );
    assert!(page("/incidents?until=2020-01-01T00:00").body.contains("No incidents."));

    let address = service.address.to_string();
    let views: [(&str, &[&str]); 9] = [
        ("/", &["What fails", "the answer has no `PONG`", "shops", "Without a group", "this machine"]),
        ("/check?name=atto", &["call the shop", &address, "latency &gt; 10s", "Recent incidents", "#1</a>"]),
        ("/check?name=atto&state=failing", &[&address]),
        (&target, &["It is", "latency", "limit", "<svg", "#1</a>"][1..]),
        ("/incident?number=1", &["It still fails", "failed after 2 failures in a row", "ops: told that it failed"]),
        ("/silences", &["Nothing is silenced."]),
        ("/account", &["user-viewer"]),
        ("/public", &["Failing checks: 1 of 2", "atto"]),
        ("/nowhere", &["There is no such page."]),
    ];
    for (path, words) in views {
        let answer = page(path);
        for word in words {
            assert!(answer.body.contains(word), "{path} has no {word}: {}", answer.body);
        }
        assert!(!answer.body.contains("<style") && !answer.body.contains(" style=") && !answer.body.contains("<script>"), "{path}");
        assert!(answer.head.contains("default-src 'none'") && !answer.head.contains("unsafe-inline"), "{path}: {}", answer.head);
    }
    let public = Visitor::stranger(&program).get("/public");
    assert!(public.code == 200 && !public.body.contains("PONG") && !public.body.contains(&address), "{}", public.body);
    let russian = viewer.ask("GET", "/incident?number=1", "Accept-Language: ru\r\n", "");
    assert!(russian.body.contains("ops: сообщено о сбое") && russian.body.contains("Сбой ещё длится"), "{}", russian.body);

    assert_eq!(page("/admin").code, 403);
    let html = admin.get("/admin").body;
    assert!(["ops", "user-admin", "None was added."].iter().all(|word| html.contains(word)), "{html}");
    let numbers = page(&format!("/chart.json?check=atto&target={address}&metric=latency")).json();
    assert!(numbers["points"].as_array().is_some_and(|points| !points.is_empty()), "{numbers}");
    for (path, code) in [("/check?name=nowhere", 404), ("/target?check=atto&target=nowhere", 404), ("/incident?number=99", 404)] {
        assert_eq!(page(path).code, code, "{path}");
    }
    for (path, english, russian) in [
        ("/incident?number=x", "This address makes no sense here: `number`, invalid digit", "Такой адрес здесь не понять: `number`, "),
        ("/incidents?check=a&check=b", "duplicate field `check`", "Неверный адрес"),
        ("/check", "missing field `name`", "Неверный адрес"),
        ("/check?name=atto&offset=-1", "`offset`, invalid digit", "Неверный адрес"),
        ("/target?target=x", "missing field `check`", "Неверный адрес"),
    ] {
        for (language, words) in [("en", english), ("ru", russian)] {
            let answer = viewer.ask("GET", path, &format!("Accept-Language: {language}\r\n"), "");
            assert_eq!((answer.code, answer.header("content-type")), (400, Some("text/html; charset=utf-8")), "{path}");
            assert!(answer.body.contains(words) && answer.body.contains("user-viewer"), "{path}: {}", answer.body);
        }
    }
    let stranger = Visitor::stranger(&program).get("/login?next=a&next=b");
    assert!(stranger.code == 400 && stranger.body.contains("A wrong address") && !stranger.body.contains("srv-01"), "{}", stranger.body);
    assert_eq!(page("/chart.json?check=atto").header("content-type"), Some("application/problem+json"), "a script reads it");
    let css = page("/page.css");
    assert!(css.body.contains("prefers-color-scheme") && css.head.contains("immutable"), "{}", css.head);
    program.stop();
}

#[test]
fn nothing_is_public_and_no_history_is_missed_unless_asked_for() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    service.well.store(false, Ordering::SeqCst);
    let place = Place::new(&format!(
        "host: srv-01\ntimezone: UTC\nhistory: off\nweb: {{ listen: \"127.0.0.1:0\" }}\nchannels:\n  ops: {}\nchecks:\n  - name: atto\n    {}\n    every: 100ms\n    fail_after: 2\n",
        bot.section(),
        service.section()
    ));
    let program = place.start();
    let viewer = Visitor::with_role(&place, &program, "viewer");
    bot.texts(1);
    for (language, words) in [("en", "There is no such page."), ("ru", "Такой страницы нет.")] {
        let headers = format!("Accept: text/html\r\nAccept-Language: {language}\r\n");
        let [public, nowhere] = ["/public", "/nowhere"].map(|path| Visitor::stranger(&program).ask("GET", path, &headers, ""));
        assert!(public.code == 404 && public.body.contains(words) && public.body == nowhere.body, "{}", public.body);
    }
    let html = viewer.get("/incidents").body;
    assert!(html.contains("No history is kept") && html.contains("Open now") && html.contains("#1</a>"), "{html}");
    assert!(viewer.get(&format!("/target?check=atto&target={}", service.address)).body.contains("No history is kept"));
    program.stop();
}
