//! Who may do what: every path, as everybody, from anywhere, with anything in it.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use axum::http::Method;
use vakhta::access::Role;
use vakhta::checks::{Check, Run};
use vakhta::clock::Clock;
use vakhta::config::WebSettings;
use vakhta::control::Feed;
use vakhta::domain::reading::{Reading, Target};
use vakhta::web::{self, Ground, House, Route};

use super::login::{add_user, cookie, is_in, log_in, place, place_with};
use super::visitor::{Answer, PASSWORD, Visitor, address};
use crate::program::PATIENCE;

struct Blind;

#[async_trait::async_trait]
impl Check for Blind {
    async fn run(&self, _: &Run) -> Vec<Reading> {
        vec![Reading::pass(&Target::itself())]
    }

    fn size(&self) -> usize {
        1
    }
}

/// Every path, read off the router itself.
pub fn table() -> Vec<Route> {
    let folder = tempfile::tempdir().unwrap();
    let settings = WebSettings {
        url: None,
        listen: ([127, 0, 0, 1], 0).into(),
        token: None,
        public: true,
        tls: None,
        proxies: Vec::new(),
        plain_http: false,
        log_dir: folder.path().to_owned(),
    };
    let (questions, _) = tokio::sync::mpsc::channel(1);
    let state_dir = folder.path().to_owned();
    let look = Arc::new(Blind);
    let (feed, clock, zone) = (Feed::default(), Clock::system(), chrono_tz::UTC);
    web::table(House::new(Ground { settings, look, questions, feed, past: None, state_dir, clock, zone }))
}

/// A path with something in place of its names that is not there.
fn filled(path: &str) -> String {
    path.replace("{name}", "nowhere").replace("{number}", "999999")
}

/// The code of an answer, which may have no end.
fn code(address: SocketAddr, route: &Route, headers: &str) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = if route.method == Method::GET { "" } else { "Content-Length: 0\r\n" };
    write!(stream, "{} {} HTTP/1.1\r\nHost: {address}\r\n{length}{headers}\r\n", route.method, filled(&route.path)).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line.split(' ').nth(1).unwrap_or_else(|| panic!("{}: {line:?}", route.path)).parse().unwrap()
}

#[test]
fn every_path_is_for_those_who_may_and_for_nobody_else() {
    let place = place();
    let program = place.start();
    let address = address(&program);
    let roles = [Role::Metrics, Role::Viewer, Role::Operator, Role::Admin];
    let callers: Vec<(Option<Role>, String)> = std::iter::once((None, String::new()))
        .chain(roles.map(|role| (Some(role), Visitor::with_role(&place, &program, role.name()).login().to_owned())))
        .collect();
    let table = table();
    let open: BTreeSet<&str> = table.iter().filter(|route| route.least.is_none()).map(|route| route.path.as_str()).collect();
    assert_eq!(open.into_iter().collect::<Vec<_>>(), OPEN, "nothing is open but this");
    assert!(table.len() > 40, "{}", table.len());
    for route in &table {
        for (role, headers) in &callers {
            let code = code(address, route, headers);
            let is_refused = code == 401 || code == 403 || (code == 303 && route.least.is_some());
            let (may, who) = (route.least.is_none_or(|least| role.is_some_and(|role| role >= least)), role.map(Role::name));
            let own_refusal = OWN_REFUSALS.contains(&(route.method.as_str(), route.path.as_str()));
            assert!(is_refused != may || own_refusal, "{} {} as {who:?}: {code}", route.method, route.path);
            assert_ne!(code, 500, "{} {} as {who:?}", route.method, route.path);
        }
    }
    // What a program writes a description of is what there is.
    let description = Visitor::with_role(&place, &program, "viewer").get("/api/openapi.json").json();
    let described: BTreeSet<String> = description["paths"].as_object().unwrap().keys().cloned().collect();
    let served = table.iter().filter(|route| route.path.starts_with("/api/") && route.path != "/api/openapi.json");
    assert_eq!(described, served.map(|route| route.path.clone()).collect());
    program.stop();
}

/// What needs no login.
const OPEN: [&str; 9] = ["/healthz", "/icon-bad.svg", "/icon.svg", "/login", "/logout", "/page.css", "/page.js", "/public", "/setup"];
/// Forms of the page that need no login but a page of ours; and what a token may not.
const OWN_REFUSALS: [(&str, &str); 3] = [("POST", "/login"), ("POST", "/logout"), ("POST", "/setup")];

#[test]
fn another_site_can_do_nothing_in_the_name_of_who_is_logged_in() {
    let place = place();
    let program = place.start();
    let address = address(&program);
    add_user(&place, "ann", "admin");
    let session = cookie(&log_in(address, "ann", PASSWORD, ""));
    for route in table().iter().filter(|route| !route.method.is_safe()) {
        for origin in
            ["", "Origin: https://evil.example\r\n", "Origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n", "Sec-Fetch-Site: none\r\n"]
        {
            let code = code(address, route, &format!("{session}{origin}"));
            assert_eq!(code, 403, "{} {} {origin}", route.method, route.path);
        }
    }
    assert!(is_in(address, &session), "nobody was logged out");
    program.stop();
}

#[test]
fn whoever_is_logged_in_does_nothing_but_from_a_page_of_their_session() {
    let place = place();
    let program = place.start();
    let address = address(&program);
    add_user(&place, "ann", "admin");
    let [session, other] = ["", ""].map(|_| cookie(&log_in(address, "ann", PASSWORD, "")));
    let token = |cookie: &str| Visitor::nobody(address).ask("GET", "/", cookie, "").token().unwrap().to_owned();
    let (right, foreign) = (token(&session), token(&other));
    assert_eq!(right, token(&session), "pages of one session hold one token");
    for page in ["/login", "/public"] {
        assert_eq!(Visitor::stranger(&program).get(page).token(), None, "{page}");
    }
    let ask = |route: &Route, token: &str| {
        let (kind, body) = match &*route.path {
            "/logout" => ("Content-Type: application/x-www-form-urlencoded\r\n", format!("csrf_token={token}")),
            _ => ("", String::new()),
        };
        let shown = if token.is_empty() { String::new() } else { format!("X-CSRF-Token: {token}\r\n") };
        let headers = format!("{session}Origin: http://{address}\r\nAccept-Language: ru\r\n{kind}{shown}");
        Visitor::nobody(address).ask(route.method.as_str(), &filled(&route.path), &headers, &body)
    };
    let is_refused = |answer: &Answer| answer.code == 403 && answer.body.contains("осталась от прежнего входа");
    let forms_of_nobody = ["/login", "/setup"];
    let table = table();
    let routes: Vec<&Route> =
        table.iter().filter(|route| !route.method.is_safe() && !forms_of_nobody.contains(&route.path.as_str())).collect();
    assert!(routes.len() > 15, "{}", routes.len());
    for route in &routes {
        for wrong in ["", "%00", &right[1..], &format!("{right}x"), &foreign] {
            let answer = ask(route, wrong);
            assert!(is_refused(&answer), "{} {} {wrong}: {}", route.method, route.path, answer.body);
        }
    }
    assert!(is_in(address, &session), "nobody was logged out");
    // It is nothing but this token that was missing; the last one is to end the session.
    let (out, routes): (Vec<&Route>, Vec<&Route>) = routes.into_iter().partition(|route| route.path == "/logout");
    for route in routes.into_iter().chain(out) {
        let answer = ask(route, &right);
        assert!(answer.code != 403 && answer.code != 401, "{} {}: {}", route.method, route.path, answer.body);
    }
    assert!(!is_in(address, &session) && is_in(address, &other));
    program.stop();
}

#[test]
fn answers_are_careful_and_hold_no_secret() {
    let place = place_with(", token: CANARY-token");
    let program = place.start();
    let admin = Visitor::with_role(&place, &program, "admin");
    for route in table().iter().filter(|route| route.method == Method::GET && !["/live", "/api/events"].contains(&route.path.as_str())) {
        let answer = admin.get(&filled(&route.path));
        assert!(!answer.body.contains("CANARY") && !answer.head.contains("CANARY"), "{}: {}", route.path, answer.body);
        // What is the same for everybody may be kept.
        let kept = answer.header("cache-control").is_some_and(|kept| kept == "public, max-age=31536000, immutable");
        assert!(!kept || route.least.is_none(), "{}", route.path);
        let caching = if kept { "public, max-age=31536000, immutable" } else { "no-store" };
        for (name, value) in [("cache-control", caching), ("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer")] {
            assert_eq!(answer.header(name), Some(value), "{}", route.path);
        }
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{}: {policy}", route.path);
        assert!(!policy.contains("unsafe"), "{}: {policy}", route.path);
    }
    let config = admin.get("/api/config").json()["text"].as_str().unwrap().to_owned();
    assert!(config.contains("X-Key: ***") && config.contains("token: ***") && config.contains("name: this machine"), "{config}");
    program.stop();
}

#[test]
fn names_from_outside_reach_no_file_and_no_statement() {
    let place = place();
    let program = place.start();
    let admin = Visitor::with_role(&place, &program, "admin");
    for path in
        ["/..%2f..%2fetc%2fpasswd", "/%252e%252e/etc/passwd", "/page.css/..%2f..%2fchecks.yaml", "/%00", "/api/%2e%2e/%2e%2e/etc/passwd"]
    {
        let answer = admin.get(path);
        assert!(
            answer.code == 404 && !answer.body.contains("root:") && !answer.body.contains("channels"),
            "{path}: {} {}",
            answer.code,
            answer.body
        );
    }
    let everything = admin.get("/api/incidents").body;
    for hostile in ["'", "' OR 1=1 --", "a' UNION SELECT name, password FROM users --", "\\", "%25", "%00", "1;DROP TABLE users"] {
        let hostile = hostile.replace(' ', "%20").replace(';', "%3B");
        for path in ["/api/incidents?check=", "/api/incidents?text=", "/api/incidents?host=", "/api/history/metrics?check=", "/api/checks/"]
        {
            let answer = admin.get(&format!("{path}{hostile}"));
            assert!([200, 400, 404].contains(&answer.code), "{path}{hostile}: {} {}", answer.code, answer.body);
            assert!(answer.code != 200 || ["[]", &everything].contains(&&*answer.body), "{path}{hostile}: {}", answer.body);
        }
    }
    for hostile in
        ["/api/incidents?state=open'--", "/api/incidents?limit=1;DROP", "/api/incidents?sort=password", "/api/incidents?after=1-1-1"]
    {
        assert_eq!(admin.get(hostile).code, 400, "{hostile}");
    }
    assert_eq!(admin.get("/api/users").json().as_array().unwrap().len(), 1, "all users are there");
    program.stop();
}
