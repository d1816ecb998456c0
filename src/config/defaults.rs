//! `defaults:` written into the checks that do not say otherwise, and `x-…` keys taken out.

use super::resolve::keys_of;
use super::sections::CheckSection;
use super::tree::{Content, Entry, Node};

/// Keys that only one check can have.
const NOT_SHARED: [&str; 4] = ["name", "needs", "enabled", "rules"];

/// Of these the single entries are inherited, not the mapping as a whole.
const JOINED: [&str; 2] = ["labels", "templates"];

/// Copies what `defaults` says into every check that lacks it. The copies keep the place they were written at,
/// so a problem points there.
pub fn apply(tree: &mut Node) {
    let Content::Map(top) = &mut tree.content else { return };
    // Room for anchors: what stands there is used through aliases only.
    top.retain(|entry| !entry.key.starts_with("x-"));
    let shared: Vec<Entry> = match top.iter().find(|entry| entry.key == "defaults").map(|entry| &entry.value.content) {
        Some(Content::Map(entries)) => {
            let keys = shared_keys();
            entries.iter().filter(|entry| keys.contains(&entry.key)).cloned().collect()
        }
        _ => return,
    };
    let Some(Content::List(checks)) = top.iter_mut().find(|entry| entry.key == "checks").map(|entry| &mut entry.value.content) else {
        return;
    };
    for check in checks {
        if let Content::Map(own) = &mut check.content {
            inherit(own, &shared);
        }
    }
}

fn inherit(own: &mut Vec<Entry>, shared: &[Entry]) {
    for entry in shared {
        match own.iter_mut().find(|mine| mine.key == entry.key) {
            None => own.push(entry.clone()),
            Some(mine) if JOINED.contains(&entry.key.as_str()) => {
                if let (Content::Map(mine), Content::Map(theirs)) = (&mut mine.value.content, &entry.value.content) {
                    let missing: Vec<_> = theirs.iter().filter(|their| mine.iter().all(|my| my.key != their.key)).cloned().collect();
                    mine.extend(missing);
                }
            }
            Some(_) => {}
        }
    }
}

/// The keys `defaults` may hold: no kinds, and nothing that only one check can have.
pub fn shared_keys() -> Vec<String> {
    keys_of::<CheckSection>().into_iter().filter(|key| !NOT_SHARED.contains(&key.as_str())).collect()
}
