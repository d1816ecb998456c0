//! Somebody who asks over HTTP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::program::{PATIENCE, Place, Program, until};

/// Of every user of a test.
pub const PASSWORD: &str = "correct horse battery";

/// With the rights of one role.
pub struct Visitor {
    pub address: SocketAddr,
    /// `Authorization: …\r\n`, those of a page, or nothing.
    headers: String,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub head: String,
    pub body: String,
}

impl Visitor {
    /// Nobody in particular.
    pub fn stranger(program: &Program) -> Self {
        Self::nobody(address(program))
    }

    pub fn nobody(address: SocketAddr) -> Self {
        Self { address, headers: String::new() }
    }

    /// What it shows with every request.
    pub fn login(&self) -> &str {
        &self.headers
    }

    /// With a token of this role, of a user that is made for it: `user-admin` for `admin`.
    pub fn with_role(place: &Place, program: &Program, role: &str) -> Self {
        let address = address(program);
        let (user, of_user) = (format!("user-{role}"), if role == "metrics" { "viewer" } else { role });
        if !place.said(&["user", "list"], "").contains(&user) {
            place.said(&["user", "add", &user, "--role", of_user], PASSWORD);
        }
        let token = place.said(&["token", "add", "test", "--user", &user, "--role", role], "");
        Self::with_token(address, token.trim())
    }

    pub fn with_token(address: SocketAddr, token: &str) -> Self {
        Self { address, headers: format!("Authorization: Bearer {token}\r\n") }
    }

    /// What a page asks in a browser with this `Cookie: …\r\n`: from here, with the token that it holds.
    pub fn on_page(address: SocketAddr, cookie: &str) -> Self {
        let page = Self::nobody(address).ask("GET", "/account", cookie, "");
        let token = page.token().unwrap_or_else(|| panic!("no token: {}", page.body));
        Self { address, headers: format!("{cookie}Origin: http://{address}\r\nX-CSRF-Token: {token}\r\n") }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", "")
    }

    /// `json` may be empty: then no body is sent.
    pub fn send(&self, method: &str, path: &str, json: &str) -> Answer {
        self.ask(method, path, if json.is_empty() { "" } else { "Content-Type: application/json\r\n" }, json)
    }

    pub fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = if body.is_empty() && method == "GET" { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{}{length}{headers}\r\n{body}",
            self.address, self.headers
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer}"));
        let code = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { code, head: head.to_owned(), body: body.to_owned() }
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Which a page holds for its script.
    pub fn token(&self) -> Option<&str> {
        self.body.split_once("name=\"csrf-token\" content=\"")?.1.split('"').next()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Where it listens, as it says itself.
pub fn address(program: &Program) -> SocketAddr {
    until("it listens", || {
        let lines = program.stderr();
        let line = lines.iter().find(|line| line.contains("served over HTTP address="))?;
        line.rsplit_once("address=")?.1.trim().parse().ok()
    })
}
