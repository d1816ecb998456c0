//! The page in headless Chromium, driven as a person would.

mod acts;
mod hostile;
mod live;
mod many;
mod pictures;
mod views;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::visitor::PASSWORD;
use crate::program::{Place, left_out, until};

const CHROMIUM: &str = "/usr/bin/chromium";
/// Runs in every document before its own scripts: remembers whatever the policy stopped, and every dialog.
const WITNESS: &str = "window.stopped = JSON.parse(sessionStorage.getItem('stopped') || '[]');\
    const note = (what) => { stopped.push(what); sessionStorage.setItem('stopped', JSON.stringify(stopped)); };\
    addEventListener('securitypolicyviolation', (event) => note(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));\
    for (const name of ['alert', 'confirm', 'prompt']) window[name] = (words) => note(`${name} ${words}`);\
    addEventListener('error', (event) => note(`error ${event.message}`));";

/// A browser with one window; it ends with its test.
pub struct Browser {
    runtime: Runtime,
    client: Client,
    driver: Child,
    address: SocketAddr,
}

/// What only Chromium knows (<https://chromedevtools.github.io/devtools-protocol/>).
#[derive(Debug)]
struct Tool(&'static str, Value);

impl WebDriverCompatibleCommand for Tool {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, <Url as std::str::FromStr>::Err> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (axum::http::Method, Option<String>) {
        (axum::http::Method::POST, Some(json!({ "cmd": self.0, "params": self.1 }).to_string()))
    }
}

impl Browser {
    /// Nothing where there is no Chromium, which is said.
    pub fn open(test: &str, address: SocketAddr, language: &str) -> Option<Self> {
        if !Path::new(CHROMIUM).exists() {
            left_out(test, "chromium is not installed");
            return None;
        }
        if Command::new("chromedriver").arg("--version").output().is_err() {
            left_out(test, "chromium-driver is not installed");
            return None;
        }
        // Two that begin at once may want the same port.
        let (driver, port) = (0..5).find_map(|_| begin()).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1280,900"];
        let accept = format!("--accept-lang={language}");
        let arguments = [&arguments[..], &[accept.as_str()]].concat();
        let options = json!({ "binary": CHROMIUM, "args": arguments });
        let capabilities = serde_json::Map::from_iter([("goog:chromeOptions".to_owned(), options)]);
        let client = runtime.block_on(async {
            let connector = hyper_util::client::legacy::connect::HttpConnector::new();
            ClientBuilder::new(connector).capabilities(capabilities).connect(&format!("http://127.0.0.1:{port}")).await.unwrap()
        });
        let browser = Self { runtime, client, driver, address };
        browser.before_each_document(WITNESS);
        Some(browser)
    }

    pub fn tool(&self, command: &'static str, parameters: Value) -> Value {
        self.runtime.block_on(self.client.issue_cmd(Tool(command, parameters))).unwrap()
    }

    pub fn before_each_document(&self, script: &str) {
        self.tool("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script }));
    }

    pub fn go(&self, path: &str) {
        self.runtime.block_on(self.client.goto(&format!("http://{}{path}", self.address))).unwrap();
    }

    /// What a script says.
    pub fn run(&self, script: &str) -> Value {
        self.runtime.block_on(self.client.execute(script, Vec::new())).unwrap_or_else(|error| panic!("{error}: {script}"))
    }

    pub fn path(&self) -> String {
        self.run("return location.pathname").as_str().unwrap().to_owned()
    }

    /// What a person reads there.
    pub fn text(&self, selector: &str) -> String {
        self.run(&format!("return document.querySelector({})?.innerText ?? ''", json!(selector))).as_str().unwrap().to_owned()
    }

    pub fn shows(&self, selector: &str, words: &str) {
        until(&format!("`{selector}` shows {words}; it shows {:?}", self.text(selector)), || {
            self.text(selector).contains(words).then_some(())
        });
    }

    pub fn click(&self, selector: &str) {
        self.runtime.block_on(async { self.client.find(Locator::Css(selector)).await.unwrap().click().await.unwrap() });
    }

    pub fn write(&self, selector: &str, text: &str) {
        self.runtime.block_on(async { self.client.find(Locator::Css(selector)).await.unwrap().send_keys(text).await.unwrap() });
    }

    /// Into whatever has the focus.
    pub fn press(&self, keys: &str) {
        self.runtime.block_on(async { self.client.active_element().await.unwrap().send_keys(keys).await.unwrap() });
    }

    pub fn log_in(&self, name: &str, password: &str) {
        self.write("[name=name]", name);
        self.write("[name=password]", password);
        self.click("form button");
    }

    /// A user of this role is there, and this browser is logged in as them.
    pub fn enter(&self, place: &Place, role: &str) {
        place.said(&["user", "add", role, "--role", role], PASSWORD);
        self.go("/login");
        self.log_in(role, PASSWORD);
        until("it is logged in", || (self.path() == "/").then_some(()));
    }

    /// The policy stopped nothing, no dialog came, no script failed.
    #[track_caller]
    pub fn is_clean(&self) {
        assert_eq!(self.run("return window.stopped"), json!([]), "{}", self.path());
    }
}

/// The driver and its port.
fn begin() -> Option<(Child, u16)> {
    let mut driver = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut ports = lines.filter_map(|line| line.strip_suffix('.')?.rsplit_once("started successfully on port ")?.1.parse().ok());
    let port = ports.next();
    if port.is_none() {
        let _ = driver.kill();
        let _ = driver.wait();
    }
    Some((driver, port?))
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.runtime.block_on(self.client.clone().close());
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
