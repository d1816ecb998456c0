//! Who may do what: the table of paths, logins, sessions, tokens.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::http::Method;
use vakhta::access::Role;
use vakhta::checks::{Check, Run};
use vakhta::clock::Clock;
use vakhta::config::WebSettings;
use vakhta::control::Feed;
use vakhta::domain::reading::{Reading, Target};
use vakhta::web::{self, Ground, House, Route};

use super::visitor::{Answer, PASSWORD, Visitor, address};
use crate::program::{PATIENCE, Place, Program, until};

/// A watch that looks at nothing much.
fn place() -> Place {
    place_with("")
}

fn place_with(web: &str) -> Place {
    Place::new(&format!(
        "host: srv-01\ntimezone: UTC\nweb: {{ listen: \"127.0.0.1:0\"{web} }}\nchannels: {{ hook: {{ webhook: {{ url: \"http://127.0.0.1:9/CANARY-hook\", headers: {{ X-Key: CANARY-header }} }} }} }}\nchecks:\n  - {{ name: this machine, host: {{}}, every: 1s }}\n"
    ))
}

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

fn log_in(address: SocketAddr, name: &str, password: &str, headers: &str) -> Answer {
    let body = format!("name={name}&password={}&next=/check%3Fname%3Da", password.replace(' ', "+"));
    let headers = format!("Content-Type: application/x-www-form-urlencoded\r\nOrigin: http://{address}\r\n{headers}");
    Visitor::nobody(address).ask("POST", "/login", &headers, &body)
}

/// `Cookie: …` of an answer that set one.
fn cookie(answer: &Answer) -> String {
    let set = answer.header("set-cookie").unwrap_or_else(|| panic!("no cookie: {}", answer.head));
    format!("Cookie: {}\r\n", set.split(';').next().unwrap())
}

/// Follows what is decided, on a thread that ends with the stream; it has begun.
fn follow(address: SocketAddr, cookie: &str) -> JoinHandle<()> {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /live HTTP/1.1\r\nHost: x\r\n{cookie}\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    assert!(lines.next().unwrap().starts_with("HTTP/1.1 200"));
    std::thread::spawn(move || lines.for_each(drop))
}

fn is_in(address: SocketAddr, cookie: &str) -> bool {
    Visitor::nobody(address).ask("GET", "/api/me", cookie, "").code == 200
}

/// Whether the log calls people to make the first user, on a page whose address begins so.
fn says_where(program: &Program, page: &str) -> bool {
    program.stderr().iter().any(|line| line.contains("nobody can log in yet") && line.contains(&format!("page={page}")))
}

fn add_user(place: &Place, name: &str, role: &str) {
    place.said(&["user", "add", name, "--role", role], PASSWORD);
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
fn the_first_user_is_made_with_the_secret_in_the_state_folder() {
    let place = place();
    let program = place.start();
    let address = address(&program);
    let file = place.path("state/first-login");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let secret = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    let stranger = Visitor::stranger(&program);
    let answer = stranger.get("/");
    assert_eq!((answer.code, answer.header("location")), (303, Some("/login?next=%2F")));
    // Who follows a link in a chat may be logged in: the browser says so only when a page of ours asks.
    let again = stranger.ask("GET", "/incident?number=1&x=%22%3E", "Sec-Fetch-Site: cross-site\r\n", "");
    assert!(again.code == 200 && again.body.contains(r#"content="0; url=/incident?number=1&amp;x=%22%3E""#), "{}", again.body);
    assert!(stranger.get("/login").body.contains(r#"action="/setup""#));
    until("the log says where", || says_where(&program, "http://127.0.0.1:").then_some(()));
    let make = |token: &str, name: &str, password: &str| {
        let headers = format!("Content-Type: application/x-www-form-urlencoded\r\nOrigin: http://{address}\r\n");
        stranger.ask("POST", "/setup", &headers, &format!("token={token}&name={name}&password={password}"))
    };
    assert_eq!(make("wrong", "ann", "correct-horse").code, 401);
    assert_eq!(make(&secret, "ann", "short").code, 422);
    assert_eq!(make(&secret, "%3Cb%3E", "correct-horse").code, 422);
    let made = make(&secret, "ann", "correct-horse");
    assert_eq!((made.code, made.header("location")), (303, Some("/")));
    let me = stranger.ask("GET", "/api/me", &cookie(&made), "").json();
    assert_eq!((me["name"].as_str(), me["role"].as_str()), (Some("ann"), Some("admin")));
    assert_eq!(make(&secret, "eve", "correct-horse").code, 401, "it works once");
    assert!(!file.exists());
    assert!(stranger.get("/login").body.contains(r#"action="/login""#));
    assert!(!program.stop().contains(&secret));
    // Nor does a new start make another.
    let program = place.start();
    super::visitor::address(&program);
    assert!(!file.exists());
    program.stop();
}

#[test]
fn the_first_login_is_where_people_reach_the_page() {
    for (url, page) in
        [("https://watch.example", "https://watch.example/login"), ("https://example.com/watch/", "https://example.com/watch/login")]
    {
        let place = place_with(&format!(", url: \"{url}\""));
        let program = place.start();
        until("the log says where", || says_where(&program, &format!("{page} ")).then_some(()));
        program.stop();
    }
}

#[test]
fn a_login_begins_a_session_of_its_own_that_ends() {
    let place = place();
    let program = place.start();
    let address = address(&program);
    add_user(&place, "ann", "operator");
    let wrong = log_in(address, "ann", "wrong password", "");
    let nobody = log_in(address, "nobody", "wrong password", "");
    assert_eq!((wrong.code, nobody.code), (401, 401));
    assert_eq!(wrong.body, nobody.body, "nobody learns who there is");

    let right = log_in(address, "Ann", PASSWORD, "Cookie: __Host-vakhta=fixed\r\n");
    assert_eq!((right.code, right.header("location")), (303, Some("/check?name=a")));
    let set = right.header("set-cookie").unwrap();
    let parts: Vec<&str> = set.split("; ").skip(1).collect();
    assert_eq!(parts, ["Path=/", "Max-Age=2592000", "HttpOnly", "SameSite=Strict", "Secure"]);
    let session = cookie(&right);
    assert!(set.starts_with("__Host-vakhta=") && session.len() > 60 && !session.contains("fixed"));
    assert!(
        is_in(address, &session) && !is_in(address, "Cookie: __Host-vakhta=fixed\r\n") && !is_in(address, "Cookie: __Host-vakhta=\r\n")
    );
    // What is kept does not log anybody in.
    let database = std::fs::read(place.path("state/state.db")).unwrap();
    let log = std::fs::read(place.path("state/state.db-wal")).unwrap_or_default();
    let ticket = session.trim_start_matches("Cookie: __Host-vakhta=").trim();
    for secret in [ticket, PASSWORD] {
        assert!(![&database, &log].iter().any(|file| file.windows(secret.len()).any(|window| window == secret.as_bytes())));
    }

    // Another session of hers outlives the end of this one, and not a change of the password.
    let other = cookie(&log_in(address, "ann", PASSWORD, ""));
    let page = Visitor::on_page(address, &session);
    let account = page.get("/account");
    let (field, token) = ("name=\"csrf_token\" value=", account.token().unwrap());
    assert_eq!(account.body.matches(&format!("{field}\"{token}\"")).count(), 2, "both forms go without a script");
    let form = format!("csrf_token={token}");
    let followed = follow(address, &session);
    let out = page.ask("POST", "/logout", "Content-Type: application/x-www-form-urlencoded\r\n", &form);
    assert!(out.code == 303 && out.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert!(!is_in(address, &session) && is_in(address, &other));
    until("what she followed ends with it", || followed.is_finished().then_some(()));
    let change = |cookie: &str, old: &str, new: &str| {
        Visitor::on_page(address, cookie).send("POST", "/api/me/password", &format!(r#"{{"old": "{old}", "new": "{new}"}}"#))
    };
    let third = cookie(&log_in(address, "ann", PASSWORD, ""));
    let refused = change(&other, "wrong password", "another password");
    assert_eq!((refused.code, refused.json()["field"].as_str().unwrap().to_owned()), (422, "old".to_owned()));
    assert_eq!(change(&other, PASSWORD, "short").json()["field"], "new");
    let changed = change(&other, PASSWORD, "another password");
    assert_eq!(changed.code, 204, "{}", changed.body);
    let token = Visitor::nobody(address).ask("GET", "/", &cookie(&changed), "").token().unwrap().to_owned();
    assert_eq!(changed.header("x-csrf-token"), Some(&*token), "its page goes on");
    assert!(!is_in(address, &other) && !is_in(address, &third) && is_in(address, &cookie(&changed)));
    assert_eq!(log_in(address, "ann", PASSWORD, "").code, 401);
    // So does one that an admin makes at the machine.
    place.said(&["user", "passwd", "ann"], PASSWORD);
    assert!(!is_in(address, &cookie(&changed)));
    let again = cookie(&log_in(address, "ann", PASSWORD, ""));
    place.said(&["user", "role", "ann", "viewer"], "");
    assert!(!is_in(address, &again));
    let said = program.stop();
    assert!(!said.contains(PASSWORD) && !said.contains("another password") && !said.contains(ticket), "{said}");
}

#[test]
fn who_guesses_waits_also_after_a_restart() {
    let place = place();
    let program = place.start();
    let address = address(&program);
    add_user(&place, "ann", "admin");
    add_user(&place, "bob", "viewer");
    let session = cookie(&log_in(address, "ann", PASSWORD, ""));
    // Twelve at once: five at least are judged, then nobody is.
    let codes: Vec<u16> = (0..12).map(|_| log_in(address, "bob", "wrong password", "").code).collect();
    assert!(codes.starts_with(&[401; 5]) && codes.contains(&429), "{codes:?}");
    let held = log_in(address, "bob", PASSWORD, "");
    assert_eq!(held.code, 429, "not even with the right one");
    assert!(held.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1 && held.body.contains("try again in"));
    assert!(is_in(address, &session), "who is in stays in");
    program.stop();
    let program = place.start();
    let address = super::visitor::address(&program);
    let codes: Vec<u16> = (0..8).map(|_| log_in(address, "bob", "wrong password", "").code).collect();
    assert!(codes.iter().filter(|code| **code == 401).count() <= 3, "{codes:?}");
    // An admin at the machine always gets in.
    place.said(&["user", "passwd", "ann"], "another password");
    program.stop();
}

#[test]
fn fifty_logins_at_once_take_little_memory() {
    let place = place();
    let program = place.start();
    let address = address(&program);
    add_user(&place, "ann", "admin");
    assert_eq!(log_in(address, "ann", PASSWORD, "").code, 303);
    let before = program.most_memory();
    std::thread::scope(|scope| {
        for user in 0..50 {
            scope.spawn(move || log_in(address, &format!("user-{user}"), "wrong password", ""));
        }
    });
    // Two at a time with 19 MiB each, and something around them.
    assert!(program.most_memory() < before + (64 << 20), "{} MiB more", (program.most_memory() - before) >> 20);
    program.stop();
}

#[test]
fn a_token_is_shown_once_and_does_what_it_may_until_it_is_ended() {
    let place = place();
    let program = place.start();
    let admin = Visitor::with_role(&place, &program, "admin");
    let operator = Visitor::with_role(&place, &program, "operator");
    let made = operator.send("POST", "/api/tokens", r#"{"name": "graphs", "role": "viewer", "days": 7}"#);
    assert_eq!(made.code, 201, "{}", made.body);
    let (number, token) = (made.json()["number"].as_i64().unwrap(), made.json()["token"].as_str().unwrap().to_owned());
    let viewer = Visitor::with_token(admin.address, &token);
    assert_eq!(viewer.get("/api/me").json(), serde_json::json!({"name": "user-operator", "role": "viewer"}));
    assert_eq!(viewer.send("POST", "/api/silences", r#"{"seconds": 60}"#).code, 403);
    let stranger = Visitor::stranger(&program);
    for path in [format!("/api/me?token={token}"), format!("/api/me?access_token={token}")] {
        assert_eq!(stranger.get(&path).code, 401, "never in a URL");
    }
    // A cookie does not help who shows a wrong token.
    add_user(&place, "ann", "viewer");
    let session = cookie(&log_in(admin.address, "ann", PASSWORD, ""));
    assert_eq!(stranger.ask("GET", "/api/me", &format!("{session}Authorization: Bearer wrong\r\n"), "").code, 401);

    for (who, body, code, field) in [
        (&operator, r#"{"name": "x", "role": "admin", "days": 1}"#, 403, "role"),
        (&operator, r#"{"name": "x", "role": "viewer", "days": 1, "user": "user-admin"}"#, 403, "user"),
        (&operator, r#"{"name": "", "role": "viewer", "days": 1}"#, 422, "name"),
        (&operator, r#"{"name": "x", "role": "viewer", "days": 0}"#, 422, "days"),
        (&operator, r#"{"name": "x", "role": "king", "days": 1}"#, 422, "role"),
        (&operator, r#"{"name": "x", "role": "viewer", "days": 1, "more": 1}"#, 422, "more"),
        (&admin, r#"{"name": "x", "role": "viewer", "days": 1, "user": "nobody"}"#, 404, "user"),
    ] {
        let answer = who.send("POST", "/api/tokens", body);
        assert_eq!((answer.code, answer.json()["field"].as_str()), (code, Some(field)), "{body}: {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    let listed = admin.get("/api/tokens").body;
    assert!(listed.contains("graphs") && !listed.contains(&token[7..]), "{listed}");
    assert!(!Visitor::with_role(&place, &program, "viewer").get("/api/tokens").body.contains("graphs"), "it is not theirs");
    assert_eq!(Visitor::with_role(&place, &program, "viewer").send("DELETE", &format!("/api/tokens/{number}"), "").code, 404);
    assert_eq!(operator.send("DELETE", &format!("/api/tokens/{number}"), "").code, 204);
    assert_eq!(viewer.get("/api/me").code, 401);
    assert!(!program.stop().contains(&token));
}

#[test]
fn root_keeps_the_users_of_a_service_whose_file_it_cannot_read() {
    let place = place();
    let program = place.start();
    address(&program);
    program.stop();
    place.write("checks.yaml", "channels: { ops: { telegram: { token: \"${credential:nowhere}\", chat_id: 1 } } }");
    place.said(&["user", "add", "ann", "--role", "admin", "--state-dir", "state"], PASSWORD);
    place.said(&["token", "add", "test", "--user", "ann", "--state-dir", "state"], "");
    assert!(place.said(&["user", "list", "--state-dir", "state"], "").contains("ann") && place.run(&["user", "list"]).0 == 2);
}

#[test]
fn users_are_kept_by_admins() {
    let place = place();
    let program = place.start();
    let admin = Visitor::with_role(&place, &program, "admin");
    let add = |body: &str| admin.send("POST", "/api/users", body);
    assert_eq!(add(r#"{"name": "bob", "role": "viewer", "password": "correct horse battery"}"#).code, 201);
    for (body, code, field) in [
        (r#"{"name": "BOB", "role": "viewer", "password": "correct horse battery"}"#, 409, None),
        (r#"{"name": "a b", "role": "viewer", "password": "correct horse battery"}"#, 422, Some("name")),
        (r#"{"name": "eve", "role": "viewer", "password": "short"}"#, 422, Some("password")),
        (r#"{"name": "eve", "role": "metrics", "password": "correct horse battery"}"#, 422, Some("role")),
    ] {
        let answer = add(body);
        assert_eq!((answer.code, answer.json()["field"].as_str()), (code, field), "{body}: {}", answer.body);
    }
    let session = cookie(&log_in(admin.address, "bob", PASSWORD, ""));
    assert!(is_in(admin.address, &session));
    assert_eq!(admin.send("PATCH", "/api/users/bob", r#"{"role": "operator"}"#).code, 204);
    assert!(!is_in(admin.address, &session), "what he may has changed");
    assert_eq!(admin.send("PATCH", "/api/users/user-admin", r#"{"role": "viewer"}"#).code, 409, "the only admin stays one");
    assert_eq!(admin.send("DELETE", "/api/users/user-admin", "").code, 409);
    assert_eq!(admin.send("DELETE", "/api/users/bob", "").code, 204);
    assert_eq!(admin.send("DELETE", "/api/users/bob", "").code, 404);
    let audit = admin.get("/api/audit?limit=5").body;
    assert!(audit.contains("user removed") && audit.contains("user made operator") && !audit.contains("correct horse"), "{audit}");
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
