use chrono::TimeDelta;

use super::*;
use crate::access::{Digest, Role};
use crate::store::file::StateFile;

const DAY: TimeDelta = TimeDelta::days(1);

struct House {
    _folder: tempfile::TempDir,
    accounts: Accounts,
    now: DateTime<Utc>,
}

async fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let now: DateTime<Utc> = "2026-11-20T12:00:00Z".parse().unwrap();
    let (file, _) = StateFile::open(folder.path(), now).await.unwrap();
    file.close().await;
    let accounts = Accounts::of(folder.path());
    let by = By { name: "root", at: now };
    accounts.add_user("Ann", Role::Admin, "kept-of-ann", by).await.unwrap();
    accounts.add_user("bob", Role::Viewer, "kept-of-bob", by).await.unwrap();
    House { _folder: folder, accounts, now }
}

fn digest(byte: u8) -> Digest {
    Digest([byte; 32])
}

#[tokio::test]
async fn there_is_always_an_admin_and_each_name_once() {
    let House { accounts, now, _folder } = house().await;
    let by = By { name: "ann", at: now };
    assert!(matches!(accounts.add_user("ANN", Role::Viewer, "x", by).await, Err(Refused::Taken)));
    assert!(matches!(accounts.remove_user("ann", by).await, Err(Refused::LastAdmin)));
    assert!(matches!(accounts.set_role("ann", Role::Operator, by).await, Err(Refused::LastAdmin)));
    assert!(matches!(accounts.set_role("eve", Role::Operator, by).await, Err(Refused::Missing)));
    assert!(matches!(accounts.set_password("eve", "x", by).await, Err(Refused::Missing)));
    accounts.set_role("bob", Role::Admin, by).await.unwrap();
    accounts.remove_user("ann", by).await.unwrap();
    let names: Vec<_> = accounts.users().await.unwrap().into_iter().map(|user| (user.name, user.role)).collect();
    assert_eq!(names, [("bob".to_owned(), Role::Admin)]);
}

#[tokio::test]
async fn a_session_ends_by_idleness_by_age_and_with_what_it_rests_on() {
    let House { accounts, now, _folder } = house().await;
    let is_in = async |number: u8, at: DateTime<Utc>| accounts.session(digest(number), at).await.unwrap().map(|session| session.user);
    accounts.begin_session("ann", digest(1), None, now).await.unwrap();
    assert_eq!(is_in(1, now).await.as_deref(), Some("Ann"));
    assert_eq!(is_in(2, now).await, None);
    assert_eq!(is_in(1, now + DAY * 6).await.as_deref(), Some("Ann"), "that it was used is noted");
    assert_eq!(is_in(1, now + DAY * 12).await.as_deref(), Some("Ann"));
    assert_eq!(is_in(1, now + DAY * 20).await, None, "idle for more than a week");
    for day in 0..=31 {
        assert_eq!(is_in(1, now + DAY * day).await.is_some(), day <= 30, "day {day}");
    }

    // A new login ends the session that the browser had.
    accounts.begin_session("bob", digest(3), None, now).await.unwrap();
    accounts.begin_session("bob", digest(4), Some(digest(3)), now).await.unwrap();
    assert_eq!((is_in(3, now).await, is_in(4, now).await.as_deref()), (None, Some("bob")));
    accounts.end_session(digest(4)).await.unwrap();
    assert_eq!(is_in(4, now).await, None);
    let by = By { name: "ann", at: now };
    for (number, change) in [(5, "password"), (6, "role"), (7, "removal")] {
        accounts.begin_session("bob", digest(number), None, now).await.unwrap();
        match change {
            "password" => accounts.set_password("bob", "other", by).await.unwrap(),
            "role" => accounts.set_role("bob", Role::Operator, by).await.unwrap(),
            _ => accounts.remove_user("bob", by).await.unwrap(),
        }
        assert_eq!(is_in(number, now).await, None, "{change}");
    }
}

#[tokio::test]
async fn a_user_has_so_many_sessions_and_no_more() {
    let House { accounts, now, _folder } = house().await;
    for number in 0..=60 {
        accounts.begin_session("ann", digest(number), None, now + TimeDelta::seconds(i64::from(number))).await.unwrap();
    }
    let mut left = 0;
    for number in 0..=60 {
        left += usize::from(accounts.session(digest(number), now).await.unwrap().is_some());
    }
    assert_eq!(left, 50);
    assert!(accounts.session(digest(60), now).await.unwrap().is_some() && accounts.session(digest(0), now).await.unwrap().is_none());
}

#[tokio::test]
async fn a_token_does_no_more_than_its_user_and_ends() {
    let House { accounts, now, _folder } = house().await;
    let by = By { name: "ann", at: now };
    let add = async |number: u8, user: &str, role| {
        let token = NewToken { digest: digest(number), name: "prometheus", user, role, until: now + DAY };
        accounts.add_token(token, by).await.unwrap()
    };
    let role = async |number: u8, at: DateTime<Utc>| accounts.token(digest(number), at).await.unwrap().map(|token| token.role);
    let first = add(1, "ann", Role::Operator).await;
    assert_eq!(role(1, now).await, Some(Role::Operator));
    assert_eq!(role(2, now).await, None);
    assert_eq!(role(1, now + DAY).await, None, "it is over");
    add(2, "bob", Role::Admin).await;
    assert_eq!(role(2, now).await, Some(Role::Viewer), "bob is a viewer");
    add(3, "ann", Role::Metrics).await;
    assert_eq!(role(3, now).await, Some(Role::Metrics));
    assert!(!accounts.remove_token(first, Some("bob"), by).await.unwrap(), "it is not his");
    assert!(accounts.remove_token(first, Some("ANN"), by).await.unwrap());
    assert_eq!(role(1, now).await, None);
    assert_eq!(accounts.tokens(Some("bob")).await.unwrap().len(), 1);
    accounts.remove_user("bob", by).await.unwrap();
    assert_eq!(role(2, now).await, None);
    assert_eq!(accounts.tokens(None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn who_guesses_hinders_nobody_who_was_there_before() {
    let House { accounts, now, _folder } = house().await;
    let (home, elsewhere, third) = ("192.0.2.1", "192.0.2.2", "192.0.2.3");
    let guesses = |user, address| Guesses { user, address };
    let held = async |address, at: DateTime<Utc>| accounts.held_until(guesses("ann", address), at).await.unwrap().map(|until| until - now);
    accounts.note_right(guesses("Ann", home), now).await.unwrap();
    for _ in 0..12 {
        accounts.note_wrong(guesses("ann", elsewhere), now).await.unwrap();
    }
    assert_eq!(held(elsewhere, now).await, Some(TimeDelta::seconds(128)));
    assert_eq!(held(third, now).await, Some(TimeDelta::seconds(60)), "the account is held for strangers");
    assert_eq!(held(home, now).await, None, "but not where its owner comes from");
    assert_eq!(held(elsewhere, now + TimeDelta::seconds(128)).await, None);
    assert_eq!(accounts.held_until(guesses("bob", third), now).await.unwrap(), None);
    accounts.note_right(guesses("ann", third), now + TimeDelta::seconds(61)).await.unwrap();
    assert_eq!(held(third, now + TimeDelta::seconds(61)).await, None);
    // A clock that was set back holds nobody for as long as that.
    accounts.note_wrong(guesses("ann", elsewhere), now + TimeDelta::hours(20)).await.unwrap();
    assert_eq!(held(elsewhere, now).await, Some(TimeDelta::seconds(256)));
}

#[tokio::test]
async fn the_first_user_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let now: DateTime<Utc> = "2026-11-20T12:00:00Z".parse().unwrap();
    StateFile::open(folder.path(), now).await.unwrap().0.close().await;
    let accounts = Accounts::of(folder.path());
    assert!(!accounts.is_anybody().await.unwrap());
    accounts.offer_first_login(Some(digest(1))).await.unwrap();
    accounts.offer_first_login(Some(digest(2))).await.unwrap();
    for wrong in [1, 3] {
        assert!(matches!(accounts.add_first_user(digest(wrong), "eve", "x", now).await, Err(Refused::NotFirst)));
    }
    accounts.add_first_user(digest(2), "ann", "x", now).await.unwrap();
    assert!(matches!(accounts.add_first_user(digest(2), "eve", "x", now).await, Err(Refused::NotFirst)));
    // Not even if the secret were still there.
    accounts.offer_first_login(Some(digest(4))).await.unwrap();
    assert!(matches!(accounts.add_first_user(digest(4), "eve", "x", now).await, Err(Refused::NotFirst)));
    assert!(accounts.is_anybody().await.unwrap());
}
