//! What a page is judged by, and what is wrong with a section.

use crate::checks::http::HttpSettings;
use crate::checks::request::tests::{OK, build, check, page, url};
use crate::checks::testing::{documented_example, problems_are};
use crate::net::testing::closed_port;

#[tokio::test]
async fn a_page_is_judged() {
    let pong = page(OK).await;
    check(&pong, "", "pass").await;
    check(&pong, "contains: PONG, not_contains: error, regex: '^P', status: [200, 3xx]", "pass").await;
    check(&pong, "contains: OK", "fail: the answer has no `OK`: `PONG`").await;
    check(&pong, "status: 204", "fail: status 200, expected 204").await;
    let down = page(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").await;
    check(&down, "", "fail: status 503, expected 200-299").await;
    check(&url(closed_port().await), "", "fail: connection refused").await;
    let json = page(b"HTTP/1.1 200 OK\r\n\r\n{\"state\":\"down\",\"queue\":{\"depth\":\"12%\"}}").await;
    let section = r#"json: { "$.state": ok }, values: { queue: "$.queue.depth", age: "$.age" }"#;
    let reading = check(&json, section, r#"fail: `$.state` is "down", expected "ok""#).await;
    assert_eq!(reading.value("queue"), Some(12.0));
    assert_eq!(reading.unreadable, [("age".into(), "`$.age` is not in the answer".into())]);
}

#[test]
fn the_documented_example_builds() {
    build(&documented_example::<HttpSettings>("http")).map(drop).unwrap();
}

#[test]
fn every_problem_at_once() {
    let check = problems_are::<HttpSettings>;
    check("{}", &[": `url` is missing"]);
    check("{ url: 'http://a', urls: ['http://b'] }", &["url: `url` and `urls` are both given"]);
    check("urls: ['http://a', 'http://a']", &["urls/1: `http://a` is listed twice"]);
    check("{ url: 'https://a', ca: x.pem }", &["ca: cannot read /nowhere/x.pem: No such file or directory (os error 2)"]);
    check("url: example.com/x", &["url: this is not a URL: relative URL without a base"]);
    check("url: 'ftp://a/'", &["url: `ftp:` is neither `http:` nor `https:`"]);
    check("url: 'http://me:CANARY@a/'", &["url: the URL has a user or a password in it"]);
    check("{ url: 'http://a', basic: { user: me } }", &["basic: `password` is missing"]);
    check("{ url: 'http://a', basic: { user: me, password: x }, bearer: y }", &["basic: `basic` and `bearer` are both given"]);
    check(
        "{ url: 'http://a', bearer: y, headers: { authorization: x } }",
        &["bearer: `bearer` and the header `Authorization` are both given"],
    );
    check("{ url: 'http://a', status: 2000 }", &["status: `2000` is not a status code; write `200`, `2xx` or `200-399`"]);
    check(
        r#"{ urls: [], method: FETCH, headers: { "a b": x, c: "x\ny" }, contains: '', regex: '[', json: { state: ok },
             values: { latency: $.x, 1st: $.x, q: 'queue' }, max_bytes: 1GiB, follow: 21, proxy: 'ftp://CANARY' }"#,
        &[
            "urls: `urls` is empty",
            "method: `FETCH` is not a method; write `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE` or `OPTIONS`",
            "headers/a b: `a b` is not the name of a header",
            "headers/c: the value of `c` has a line's end or another control character in it",
            "max_bytes: `max_bytes` must be from 1 byte to 64 MiB",
            "follow: `follow` must be from 0 to 20",
            "proxy: `proxy` is not the URL of a proxy",
            "contains: `contains` is empty",
            "regex: `[` is not a regular expression: unclosed character class",
            "json/state: `state` is not a JSONPath: wrong from character 1 on",
            "values/1st: `1st` cannot name a metric",
            "values/latency: `latency` is a metric of every http check",
            "values/q: `queue` is not a JSONPath: wrong from character 1 on",
        ],
    );
}
