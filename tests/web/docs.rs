//! What the API says of itself, to people and to programs.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use vakhta::access::Role;

use super::access::table;
use super::visitor::Visitor;
use crate::program::{Place, left_out};

fn place() -> Place {
    Place::new("host: srv-01\ntimezone: UTC\nweb: { listen: \"127.0.0.1:0\" }\nchecks:\n  - { name: this machine, host: {}, every: 1s }\n")
}

/// Whatever stands after `before` in `text`, up to the next quote.
fn all<'a>(text: &'a str, before: &str) -> BTreeSet<&'a str> {
    text.split(before).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn every_operation_is_on_the_page() {
    let place = place();
    let program = place.start();
    let viewer = Visitor::with_role(&place, &program, "viewer");
    let page = viewer.get("/docs");
    assert_eq!(page.code, 200);
    let api = viewer.get("/api/openapi.json").json();
    let (mut operations, ids) = (0, all(&page.body, " id=\""));
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations += 1;
            let id = format!("{method}{path}").replace('/', "-").replace(['{', '}'], "");
            assert!(ids.contains(&*id), "{method} {path}");
            let section = page.body.split(&format!("<section id=\"{id}\">")).nth(1).unwrap().split("</section>").next().unwrap();
            assert!(section.contains(&format!("<code>{} {path}</code>", method.to_uppercase())), "{section}");
            assert!(section.contains("Needs the role <code>") && section.contains("Authorization: Bearer $TOKEN"), "{section}");
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let answers = operation["responses"].as_object().unwrap().keys();
            for named in parameters.map(|parameter| parameter["name"].as_str().unwrap()).chain(answers.map(String::as_str)) {
                assert!(section.contains(&format!("<code>{named}</code>")), "{method} {path}: {named}");
            }
        }
    }
    assert!(operations > 30, "{operations}");
    for name in api["components"]["schemas"].as_object().unwrap().keys() {
        assert!(ids.contains(&*format!("schema-{name}")), "{name}");
    }
    for link in all(&page.body, "href=\"#") {
        assert!(ids.contains(link), "#{link} leads nowhere");
    }
    // What is offered to be looked at is there to be looked at.
    let offered = all(&page.body, "<a href=\"/api/");
    assert!(offered.len() > 5, "{offered:?}");
    let admin = Visitor::with_role(&place, &program, "admin");
    for path in offered {
        assert_eq!(admin.get(&format!("/api/{path}")).code, 200, "{path}");
    }
    program.stop();
}

/// Views and what they are made of, which people find by themselves.
const PAGE: [&str; 17] = [
    "/",
    "/account",
    "/admin",
    "/chart.json",
    "/check",
    "/docs",
    "/icon-bad.svg",
    "/icon.svg",
    "/incident",
    "/incidents",
    "/login",
    "/logout",
    "/page.css",
    "/page.js",
    "/setup",
    "/silences",
    "/target",
];

#[test]
fn every_path_beside_the_api_is_on_the_page() {
    let place = place();
    let program = place.start();
    let viewer = Visitor::with_role(&place, &program, "viewer");
    let page = viewer.get("/docs").body;
    let api = viewer.get("/api/openapi.json").json();
    let beside = page.split("<h2 id=\"beside\">").nth(1).unwrap().split("<h2").next().unwrap();
    let said: BTreeSet<(String, Option<&str>)> = beside
        .split("<code>GET ")
        .skip(1)
        .map(|row| {
            let role = row.split_once("Needs the role <code>").map(|(_, rest)| rest.split('<').next().unwrap());
            assert!(role.is_some() != row.contains("Open to everybody."), "{row}");
            (row.split('<').next().unwrap().to_owned(), role)
        })
        .collect();
    let table = table();
    let is_beside = |path: &str| api["paths"].get(path).is_none() && !PAGE.contains(&path);
    let there = table.iter().filter(|route| is_beside(&route.path));
    assert_eq!(said, there.map(|route| (route.path.clone(), route.least.map(Role::name))).collect());
    for path in PAGE {
        assert!(table.iter().any(|route| route.path == path), "{path} is no more");
    }
    program.stop();
}

#[test]
fn examples_are_what_one_types() {
    let place = place();
    let program = place.start();
    let viewer = Visitor::with_role(&place, &program, "viewer");
    let page = viewer.get("/docs").body.replace("&quot;", "\"");
    let base = format!("http://{}", viewer.address);
    for line in [
        format!("curl -H \"Authorization: Bearer $TOKEN\" '{base}/api/incidents/1'"),
        format!("curl -N -H \"Authorization: Bearer $TOKEN\" '{base}/api/events'"),
        format!("curl -H \"Authorization: Bearer $TOKEN\" '{base}/api/history?check=CHECK&amp;metric=METRIC'"),
        format!("curl -X DELETE -H \"Authorization: Bearer $TOKEN\" '{base}/api/users/NAME'"),
        format!(
            "curl -X POST -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' -d '{{\"seconds\":3600}}' '{base}/api/silences'"
        ),
    ] {
        assert!(page.contains(&format!("<pre><code>{line}</code></pre>")), "{line}");
    }
    program.stop();
}

/// A program of others that knows what a description must be.
#[test]
fn the_description_is_valid() {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/venv/bin/openapi-spec-validator");
    if !tool.exists() {
        return left_out("web::docs::the_description_is_valid", "openapi-spec-validator is not installed");
    }
    let place = place();
    let program = place.start();
    let description = Visitor::with_role(&place, &program, "viewer").get("/api/openapi.json").body;
    place.write("openapi.json", &description);
    let judged = |file: &str| {
        Command::new(&tool).args(["--schema", "3.1", file]).current_dir(place.path(".")).stdin(Stdio::null()).output().unwrap()
    };
    let output = judged("openapi.json");
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // It can tell.
    place.write(
        "wrong.json",
        &description.replacen("\"operationId\"", "\"operationID\"", 1).replacen("\"in\": \"path\"", "\"in\": \"road\"", 1),
    );
    assert!(!judged("wrong.json").status.success());
    program.stop();
}
