//! A name server on the loopback that knows a few names and has bad manners.

use std::net::SocketAddr;
use std::str::FromStr;

use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::rr::Record;
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, MX, NS, PTR, SOA, TXT};
use tokio::net::UdpSocket;

use super::*;
use crate::checks::testing::{build_kind, documented_example, problems_are, told};

/// Answers by the first label of the question, and is silent to `hang`.
async fn name_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut packet = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut packet).await {
            let query = Message::from_vec(&packet[..length]).unwrap();
            match query.queries[0].name().to_string().split('.').next() {
                Some("hang") => continue,
                Some("noise") => drop(socket.send_to(b"noise", from).await),
                _ => drop(socket.send_to(&answer(query).to_vec().unwrap(), from).await),
            }
        }
    });
    address
}

fn answer(query: Message) -> Message {
    let asked = query.queries[0].clone();
    let name = |text: &str| Name::from_str(text).unwrap();
    let label = asked.name().to_string().split('.').next().unwrap().to_owned();
    let mut reply = query.into_response();
    let data = match (label.as_str(), asked.query_type()) {
        ("good" | "10", RecordType::A) => vec![RData::A(A::new(10, 2, 0, 7)), RData::A(A::new(10, 2, 0, 8))],
        ("good", RecordType::AAAA) => vec![RData::AAAA(AAAA::from_str("fd00::7").unwrap())],
        ("good", RecordType::MX) => vec![RData::MX(MX::new(10, name("Mail.Example.")))],
        ("good", RecordType::TXT) => vec![RData::TXT(TXT::new(vec!["v=spf1 ".into(), "-all.".into()]))],
        ("good", RecordType::NS) => vec![RData::NS(NS(name("ns1.example.")))],
        ("good", RecordType::SOA) => vec![RData::SOA(SOA::new(name("ns1.example."), name("root.example."), 2026112101, 1, 2, 3, 4))],
        ("alias", RecordType::CNAME) => vec![RData::CNAME(CNAME(name("good.example.")))],
        ("7", RecordType::PTR) => vec![RData::PTR(PTR(name("till.example.")))],
        ("hostile", RecordType::TXT) => vec![RData::TXT(TXT::new(vec!["a\u{1b}[2J".into(), "x".repeat(250)]))],
        (code, _) => {
            reply.metadata.response_code = match code {
                "good" | "alias" => ResponseCode::NoError,
                "broken" => ResponseCode::ServFail,
                "closed" => ResponseCode::Refused,
                "odd" => ResponseCode::NotImp,
                _ => ResponseCode::NXDomain,
            };
            vec![]
        }
    };
    let records = data.into_iter().enumerate().map(|(index, data)| Record::from_rdata(asked.name().clone(), 300 - index as u32, data));
    reply.add_answers(records);
    reply
}

async fn look(section: &str) -> Reading {
    let server = name_server().await;
    let check = build_kind::<DnsSettings>(&section.replace("SERVER", &format!("server: '{server}'")));
    let check = check.map_err(|problems| problems[0].message.clone()).unwrap();
    let reading = check.run(&Run::alone(Duration::from_millis(300), 1)).await.remove(0);
    match reading.outcome {
        Outcome::Fail(reason) => Reading { outcome: Outcome::Fail(reason.replace(&server.to_string(), "SERVER").into()), ..reading },
        _ => reading,
    }
}

async fn check(section: &str, expect: &str) {
    assert_eq!(told(&look(section).await), expect, "{section}");
}

#[tokio::test]
async fn every_type_has_its_values() {
    check("{ name: good.example, SERVER }", "pass").await;
    check("{ name: good.example, expect: [10.2.0.8, 10.2.0.7], only: true, SERVER }", "pass").await;
    check("{ name: good.example, type: AAAA, expect: ['fd00:0::7'], SERVER }", "pass").await;
    check("{ name: Good.Example., type: MX, expect: ['10  mail.example.'], SERVER }", "pass").await;
    check("{ name: good.example, type: TXT, expect: ['v=spf1 -all.'], SERVER }", "pass").await;
    check("{ name: good.example, type: NS, expect: [ns1.example], SERVER }", "pass").await;
    check("{ name: alias.example, type: CNAME, expect: [good.example], SERVER }", "pass").await;
    check("{ name: 10.0.0.7, type: PTR, expect: [till.example], SERVER }", "pass").await;
}

#[tokio::test]
async fn numbers() {
    let reading = look("{ name: good.example, SERVER }").await;
    assert_eq!((reading.value("answers"), reading.value("ttl")), (Some(2.0), Some(299.0)), "the least of them");
    assert!(reading.value("latency").is_some_and(|seconds| seconds < 0.3), "{reading:?}");
    assert_eq!(look("{ name: good.example, type: SOA, SERVER }").await.value("serial"), Some(2026112101.0));
    assert_eq!(look("{ name: gone.example, SERVER }").await.value("answers"), Some(0.0));
}

#[tokio::test]
async fn what_is_expected_and_not_there() {
    check("{ name: good.example, expect: [10.9.9.9], SERVER }", "fail: there is no 10.9.9.9, but 10.2.0.7, 10.2.0.8").await;
    check("{ name: good.example, expect: [10.2.0.7], SERVER }", "pass").await;
    check("{ name: good.example, expect: [10.2.0.7], only: true, SERVER }", "fail: there is 10.2.0.8, which is not expected").await;
}

#[tokio::test]
async fn every_refusal_has_its_words() {
    check("{ name: gone.example, SERVER }", "fail: there is no name gone.example (NXDOMAIN)").await;
    check("{ name: good.example, type: CAA, SERVER }", "fail: good.example has no CAA record").await;
    check("{ name: broken.example, SERVER }", "fail: SERVER answered SERVFAIL").await;
    check("{ name: closed.example, SERVER }", "fail: SERVER answered REFUSED").await;
    check("{ name: odd.example, SERVER }", "fail: SERVER answered: Not Implemented").await;
    check("{ name: hang.example, SERVER }", "fail: no answer from SERVER in 300 ms").await;
    check("{ name: noise.example, SERVER }", "fail: no answer from SERVER in 300 ms").await;
    let hostile = look("{ name: hostile.example, type: TXT, expect: [a], SERVER }").await;
    assert!(told(&hostile).starts_with(r"fail: there is no a, but a\u{1b}[2Jxxx"), "{hostile:?}");
    assert!(told(&hostile).chars().count() < 210);
}

#[tokio::test]
async fn a_port_that_nobody_serves() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let server = socket.local_addr().unwrap();
    drop(socket);
    let check = build_kind::<DnsSettings>(&format!("{{ names: [a.example, b.example], server: '{server}' }}")).ok().unwrap();
    for reading in check.run(&Run::alone(Duration::from_millis(300), 2)).await {
        assert!(told(&reading).starts_with("fail: ") && told(&reading).contains(&server.to_string()), "{reading:?}");
    }
}

#[test]
fn bad_settings() {
    let are = |section: &str, expect: &[&str]| problems_are::<DnsSettings>(section, expect);
    are("{}", &[": `name` is missing"]);
    are(
        "{ name: a..b, server: ns1.example }",
        &["server: `ns1.example` is not the address of a name server", "name: `a..b` is not a name"],
    );
    are("{ name: 10.0.0.7 }", &["name: `10.0.0.7` is an address, which has no A record"]);
    are("{ name: a.example, expect: [b.example] }", &["expect/0: `b.example` is not an address for a record A"]);
    are(
        "{ name: a.example, type: MX, expect: [b.example] }",
        &["expect/0: `b.example` is not a preference and a host, such as `10 mail.example.com`"],
    );
    are("{ name: a.example, only: true }", &["only: nothing is expected"]);
}

#[test]
fn the_example_is_good() {
    build_kind::<DnsSettings>(&documented_example::<DnsSettings>("dns")).map_err(|problems| problems[0].message.clone()).unwrap();
}
