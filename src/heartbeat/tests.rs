//! A service that counts what it hears, and a loop that says how it is.

use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::control::Progress;
use crate::net::testing::{closed_port, serve};

const EVERY: Duration = Duration::from_millis(20);
const WITHIN: Duration = Duration::from_millis(300);
const PATIENT: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Service {
    heard: AtomicUsize,
    /// What it answers; 0 is nothing at all.
    status: AtomicU16,
    asked: Mutex<String>,
}

impl Service {
    async fn start() -> (Arc<Self>, String) {
        let service = Arc::new(Self { status: AtomicU16::new(200), ..Self::default() });
        let counting = service.clone();
        let address = serve(move |mut stream| {
            let service = counting.clone();
            async move {
                let mut request = vec![0; 2048];
                let length = stream.read(&mut request).await.unwrap_or(0);
                *service.asked.lock().unwrap() = String::from_utf8_lossy(&request[..length]).lines().next().unwrap_or_default().to_owned();
                service.heard.fetch_add(1, Ordering::SeqCst);
                match service.status.load(Ordering::SeqCst) {
                    0 => std::future::pending().await,
                    status => {
                        let answer = format!("HTTP/1.1 {status} Odd\r\nContent-Length: 0\r\nLocation: /elsewhere\r\n\r\n");
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                }
            }
        })
        .await;
        (service, format!("http://{address}/ping/CANARY-42"))
    }

    /// Waits until it has heard so many more.
    async fn hears(&self, more: usize) {
        let wanted = self.heard.load(Ordering::SeqCst) + more;
        until(|| self.heard.load(Ordering::SeqCst) >= wanted).await;
    }
}

async fn until(is_so: impl Fn() -> bool) {
    let waited = timeout(PATIENT, async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    waited.await.expect("it never came");
}

/// A loop that is well or not, or is gone; how often it was asked.
fn the_loop() -> (mpsc::Sender<Question>, Arc<AtomicBool>, Arc<AtomicUsize>) {
    let (questions_to, mut questions) = mpsc::channel::<Question>(4);
    let (well, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (says, counts) = (well.clone(), asked.clone());
    tokio::spawn(async move {
        while let Some(Question { answer, .. }) = questions.recv().await {
            let trouble = (!says.load(Ordering::SeqCst)).then(|| "`slow` is overdue for 900 s".to_owned());
            let good = || Progress::unless(None);
            let health = Health { checks: Progress::unless(trouble), messages: good(), state: good(), history: None };
            let _ = answer.send(Body::Health(health).into());
            counts.fetch_add(1, Ordering::SeqCst);
        }
    });
    (questions_to, well, asked)
}

fn heartbeat(url: &str, post: bool) -> Heartbeat {
    Heartbeat::new(Secret::new(url.to_owned()), post, EVERY, WITHIN, &Net::new()).unwrap()
}

#[tokio::test]
async fn it_beats_only_while_the_watch_is_well() {
    let (service, url) = Service::start().await;
    let (questions, well, asked) = the_loop();
    let pulse = Pulse::start(vec![heartbeat(&url, false)], questions);
    service.hears(3).await;
    assert_eq!(*service.asked.lock().unwrap(), "GET /ping/CANARY-42 HTTP/1.1");
    well.store(false, Ordering::SeqCst);
    // What was asked before may still be on its way.
    let before = asked.load(Ordering::SeqCst);
    until(|| asked.load(Ordering::SeqCst) > before + 1).await;
    let heard = service.heard.load(Ordering::SeqCst);
    until(|| asked.load(Ordering::SeqCst) > before + 5).await;
    assert_eq!(service.heard.load(Ordering::SeqCst), heard, "not well");
    well.store(true, Ordering::SeqCst);
    service.hears(2).await;
    assert_eq!(*pulse.trouble().borrow(), None);
}

#[tokio::test]
async fn several_that_are_not_taken_are_trouble_without_the_key() {
    let (service, url) = Service::start().await;
    let (questions, ..) = the_loop();
    service.status.store(404, Ordering::SeqCst);
    let pulse = Pulse::start(vec![heartbeat(&url, true)], questions);
    let mut trouble = pulse.trouble();
    timeout(PATIENT, trouble.changed()).await.unwrap().unwrap();
    assert!(service.heard.load(Ordering::SeqCst) >= TOLD_AFTER as usize);
    assert_eq!(trouble.borrow_and_update().as_deref(), Some("is not taken: the answer is 404 Not Found"));
    assert!(service.asked.lock().unwrap().starts_with("POST "));
    service.status.store(200, Ordering::SeqCst);
    timeout(PATIENT, trouble.changed()).await.unwrap().unwrap();
    assert_eq!(*trouble.borrow(), None);
}

#[tokio::test]
async fn trouble_of_an_earlier_life_is_over_when_one_is_taken() {
    let (service, url) = Service::start().await;
    let (questions, ..) = the_loop();
    let mut pulse = Pulse::start(vec![heartbeat(&url, false)], questions);
    let mut trouble = pulse.trouble();
    timeout(PATIENT, trouble.changed()).await.unwrap().unwrap();
    assert_eq!(*trouble.borrow_and_update(), None);
    service.status.store(500, Ordering::SeqCst);
    timeout(PATIENT, trouble.changed()).await.unwrap().unwrap();
    assert!(trouble.borrow_and_update().is_some());
    pulse.change(vec![heartbeat(&url, false)]);
    assert!(!trouble.has_changed().unwrap(), "an edit mends nothing");
    pulse.change(vec![]);
    timeout(PATIENT, trouble.changed()).await.unwrap().unwrap();
    assert_eq!(*trouble.borrow(), None);
}

#[tokio::test]
async fn each_is_told_and_edits_are_followed() {
    let ((first, one), (second, two)) = (Service::start().await, Service::start().await);
    let (questions, ..) = the_loop();
    let mut pulse = Pulse::start(vec![heartbeat(&one, false), heartbeat(&two, false)], questions);
    first.hears(1).await;
    second.hears(1).await;
    pulse.change(vec![heartbeat(&two, false)]);
    let heard = first.heard.load(Ordering::SeqCst);
    second.hears(4).await;
    assert!(first.heard.load(Ordering::SeqCst) <= heard + 1, "one may have been on its way");
    drop(pulse);
    let heard = second.heard.load(Ordering::SeqCst);
    tokio::time::sleep(EVERY * 3).await;
    assert!(second.heard.load(Ordering::SeqCst) <= heard + 1);
}

#[tokio::test]
async fn refusals_have_their_words() {
    let (service, url) = Service::start().await;
    let said = async |url: &str| heartbeat(url, false).send().await.unwrap_err();
    service.status.store(302, Ordering::SeqCst);
    assert_eq!(said(&url).await, "the answer is 302 Found");
    service.status.store(0, Ordering::SeqCst);
    assert_eq!(said(&url).await, "no answer in 300 ms");
    assert_eq!(said(&format!("http://{}/CANARY-42", closed_port().await)).await, "connection refused");
    let bad = |url: &str| Heartbeat::new(Secret::new(url.to_owned()), false, EVERY, WITHIN, &Net::new()).err().unwrap();
    assert_eq!(bad("hc-ping"), "this is not a URL: relative URL without a base");
    assert_eq!(bad("ftp://example.com/"), "the address is neither `http:` nor `https:`");
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_hangs_is_not_well() {
    let (questions, _held) = mpsc::channel(1);
    assert_eq!(unwell(&questions).await.as_deref(), Some("it does not answer"));
}
