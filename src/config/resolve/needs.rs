//! `needs:`, checks that depend on others: all of them there, and none on itself by a detour.

use std::collections::HashMap;

use super::Resolver;
use crate::domain::watch::CheckPlan;
use crate::settings::{Problem, advice};

/// How far the walk along one chain has come.
#[derive(Clone, Copy, PartialEq)]
enum Mark {
    Under,
    Done,
}

impl Resolver<'_> {
    /// Looks names up, refuses circles, and drops those that are switched off.
    pub(super) fn needs(&mut self, plans: &mut [CheckPlan]) {
        let tree = self.tree;
        let items = tree.get("checks").and_then(|checks| checks.list()).unwrap_or_default();
        let name_of = |index: usize| items[index].get("name").and_then(|name| name.text()).unwrap_or_default();
        let by_name: HashMap<&str, usize> = (0..items.len()).map(|index| (name_of(index), index)).collect();
        let names: Vec<&str> = (0..items.len()).map(name_of).filter(|name| !name.is_empty()).collect();

        let mut graph: Vec<Vec<usize>> = vec![Vec::new(); items.len()];
        for (index, item) in items.iter().enumerate() {
            let needs = item.get("needs").and_then(|needs| needs.list());
            if needs.is_some_and(<[_]>::is_empty) {
                let problem = Problem::new("this list is empty").help("leave `needs` out");
                self.problem(&steps!["checks", index, "needs"], problem);
            }
            for (position, node) in needs.unwrap_or_default().iter().enumerate() {
                let Some(name) = node.text() else { continue };
                match by_name.get(name) {
                    Some(needed) => graph[index].push(*needed),
                    None => {
                        let problem = Problem::new(format!("there is no check `{name}`")).help(advice(name, &names, "checks"));
                        self.problem(&steps!["checks", index, "needs", position], problem);
                    }
                }
            }
        }
        if let Some(circle) = circle(&graph) {
            let names: Vec<String> = circle.iter().map(|index| format!("`{}`", name_of(*index))).collect();
            let help = "take one of these needs out";
            let problem = Problem::new(format!("these checks need each other: {}", names.join(" → "))).help(help);
            self.problem(&steps!["checks", circle[0], "needs"], problem);
        }
        let running: std::collections::HashSet<_> = plans.iter().map(|plan| plan.name.clone()).collect();
        plans.iter_mut().for_each(|plan| plan.needs.retain(|need| running.contains(need)));
    }
}

/// A way through the graph that ends where it starts.
fn circle(graph: &[Vec<usize>]) -> Option<Vec<usize>> {
    let mut marks: Vec<Option<Mark>> = vec![None; graph.len()];
    for start in 0..graph.len() {
        // The chain from `start`, each with the next of its needs to follow; a loop, not recursion: chains may be long.
        let mut chain = vec![(start, 0)];
        while let Some((node, next)) = chain.last_mut() {
            if marks[*node] == Some(Mark::Done) {
                chain.pop();
                continue;
            }
            marks[*node] = Some(Mark::Under);
            let Some(needed) = graph[*node].get(*next).copied() else {
                marks[*node] = Some(Mark::Done);
                chain.pop();
                continue;
            };
            *next += 1;
            if marks[needed] == Some(Mark::Under) {
                let from = chain.iter().position(|(node, _)| *node == needed).unwrap_or(0);
                return Some(chain[from..].iter().map(|(node, _)| *node).chain([needed]).collect());
            }
            chain.push((needed, 0));
        }
    }
    None
}
