//! How people and programs get in: users, logins, sessions, tokens, and those who guess.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::thread::JoinHandle;

use super::visitor::{Answer, PASSWORD, Visitor, address};
use crate::program::{Place, Program, until};

/// A watch that looks at nothing much.
pub fn place() -> Place {
    place_with("")
}

pub fn place_with(web: &str) -> Place {
    Place::new(&format!(
        "host: srv-01\ntimezone: UTC\nweb: {{ listen: \"127.0.0.1:0\"{web} }}\nchannels: {{ hook: {{ webhook: {{ url: \"http://127.0.0.1:9/CANARY-hook\", headers: {{ X-Key: CANARY-header }} }} }} }}\nchecks:\n  - {{ name: this machine, host: {{}}, every: 1s }}\n"
    ))
}

pub fn log_in(address: SocketAddr, name: &str, password: &str, headers: &str) -> Answer {
    let body = format!("name={name}&password={}&next=/check%3Fname%3Da", password.replace(' ', "+"));
    let headers = format!("Content-Type: application/x-www-form-urlencoded\r\nOrigin: http://{address}\r\n{headers}");
    Visitor::nobody(address).ask("POST", "/login", &headers, &body)
}

/// `Cookie: …` of an answer that set one.
pub fn cookie(answer: &Answer) -> String {
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

pub fn is_in(address: SocketAddr, cookie: &str) -> bool {
    Visitor::nobody(address).ask("GET", "/api/me", cookie, "").code == 200
}

/// Whether the log calls people to make the first user, on a page whose address begins so.
fn says_where(program: &Program, page: &str) -> bool {
    program.stderr().iter().any(|line| line.contains("nobody can log in yet") && line.contains(&format!("page={page}")))
}

pub fn add_user(place: &Place, name: &str, role: &str) {
    place.said(&["user", "add", name, "--role", role], PASSWORD);
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
