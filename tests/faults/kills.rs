//! F01–F03: `kill -9` at any time, while services come and go and the channel fails at random.

use std::time::{Duration, Instant};

use super::channels::Far;
use super::checker::Figures;
use super::dice::Dice;
use super::lives::{HEARD, Lives};
use super::{figure, long};
use crate::program::{Place, Program};

#[test]
fn random_kills_lose_nothing_and_mark_what_they_repeat() {
    let kills = if long() { 1000 } else { 25 };
    let figures = storm(kills, 7, "", |_| {}, Lives::kill);
    figure("random kills", &format!("{figures:?}"));
}

/// So many lives, each ended like this; what the checker counted. Before the first one the place is made ready.
pub fn storm(lives: usize, seed: u64, more: &str, ready: impl FnOnce(&Lives), mut end: impl FnMut(&mut Lives, Program)) -> Figures {
    let (deaths, mut dice) = (lives, Dice::new(seed));
    let mut plan = |bad: &[&str]| {
        let answer = |_| bad.get(dice.below(bad.len() * 4)).copied().unwrap_or("ok");
        (0..deaths * 20).map(answer).collect::<Vec<_>>().join(",")
    };
    let place = Place::new("");
    let bot = plan(&["html:502", "429:1", "truncated"]);
    let others = vec![Far::webhook(&plan(&["500", "429:1"]), &place), Far::mail(&plan(&["greeting=close", "end=take-and-close"]), &place)];
    let mut lives = Lives::on(place, 4, &bot, others, "every: 100ms, fail_after: 2", more);
    ready(&lives);
    let mut since = [Instant::now(); 4];
    for _ in 0..deaths {
        let program = lives.place.start();
        let dies = Instant::now() + Duration::from_millis(30 + dice.below(600) as u64);
        while Instant::now() < dies {
            for (index, since) in since.iter_mut().enumerate() {
                let known = lives.is_known(index);
                assert!(known || since.elapsed() < HEARD, "lost: {index} {:?}", lives.receipts());
                // Most wait until people know; some do not, and nobody needs to hear of those.
                if (known && dice.below(20) == 0) || dice.below(400) == 0 {
                    if known {
                        lives.is_due(index);
                    }
                    lives.turn(index, !lives.is_well(index));
                    *since = Instant::now();
                }
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        end(&mut lives, program);
    }
    lives.mend();
    let figures = lives.end().figures;
    assert!(figures.deaths == deaths && figures.messages > deaths / 4, "the storm was one: {figures:?}");
    figures
}
