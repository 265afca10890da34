//! Topological order, layers, and cycles as paths. Knows nothing of images or containers: any name that can be
//! ordered will do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Who depends on whom: every node is a key, and its set holds what has to come before it. A name in a set that is
/// no key lies outside the graph and orders nothing.
pub type Dependencies<N> = BTreeMap<N, BTreeSet<N>>;

/// A circle of nodes, each depending on the next and the last on the first; never empty. It is a shortest one
/// through its first node, which is the smallest node that lies on a circle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Cycle<N>(Vec<N>);

impl<N> Cycle<N> {
    /// The nodes of the circle, each once.
    pub fn nodes(&self) -> &[N] {
        &self.0
    }

    /// The edges of the circle: who depends, and on whom.
    pub fn edges(&self) -> impl Iterator<Item = (&N, &N)> {
        self.0.iter().zip(self.0.iter().cycle().skip(1))
    }
}

impl<N: fmt::Display> fmt::Display for Cycle<N> {
    /// `a -> b -> a`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for node in &self.0 {
            write!(f, "{node} -> ")?;
        }
        self.0.first().map_or(Ok(()), |first| write!(f, "{first}"))
    }
}

/// The nodes in layers: what a layer's nodes depend on lies in the layers before it, and no node could be in an
/// earlier layer. Within a layer the nodes are sorted.
///
/// # Errors
/// When nodes depend on one another in a circle.
pub fn layers<N: Ord + Clone>(dependencies: &Dependencies<N>) -> Result<Vec<Vec<N>>, Cycle<N>> {
    // Nodes are numbered in their order.
    let nodes: Vec<&N> = dependencies.keys().collect();
    let (mut missing, mut dependants) = (vec![0_usize; nodes.len()], vec![Vec::new(); nodes.len()]);
    for (node, needs) in dependencies.values().enumerate() {
        for need in needs.iter().filter_map(|need| nodes.binary_search(&need).ok()) {
            missing[node] += 1;
            dependants[need].push(node);
        }
    }
    let mut layers = Vec::new();
    let mut layer: Vec<usize> = (0..nodes.len()).filter(|node| missing[*node] == 0).collect();
    while !layer.is_empty() {
        let mut next = Vec::new();
        for dependant in layer.iter().flat_map(|node| &dependants[*node]) {
            missing[*dependant] -= 1;
            if missing[*dependant] == 0 {
                next.push(*dependant);
            }
        }
        next.sort_unstable();
        layers.push(layer.iter().map(|node| nodes[*node].clone()).collect());
        layer = next;
    }
    let left = nodes.iter().zip(&missing).filter(|(_, missing)| **missing > 0);
    match left.into_iter().find_map(|(node, _)| circle_through(dependencies, node)) {
        Some(cycle) => Err(cycle),
        None => Ok(layers),
    }
}

/// The nodes in an order in which each comes after everything that it depends on: the layers, one after another.
///
/// # Errors
/// When nodes depend on one another in a circle.
pub fn order<N: Ord + Clone>(dependencies: &Dependencies<N>) -> Result<Vec<N>, Cycle<N>> {
    Ok(layers(dependencies)?.into_iter().flatten().collect())
}

/// The chosen nodes and everything that they depend on, at any distance. Chosen names that are no nodes are left out.
pub fn closure<N: Ord + Clone>(dependencies: &Dependencies<N>, chosen: impl IntoIterator<Item = N>) -> BTreeSet<N> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<N> = chosen.into_iter().collect();
    while let Some(node) = waiting.pop() {
        let Some(needs) = dependencies.get(&node) else { continue };
        if reached.insert(node) {
            waiting.extend(needs.iter().cloned());
        }
    }
    reached
}

/// A shortest way from a node back to itself, if there is one.
fn circle_through<N: Ord + Clone>(dependencies: &Dependencies<N>, start: &N) -> Option<Cycle<N>> {
    let mut came_from: BTreeMap<&N, &N> = BTreeMap::new();
    let mut layer = vec![start];
    while !layer.is_empty() {
        let mut next = Vec::new();
        for node in layer {
            for need in dependencies.get(node).into_iter().flatten() {
                if need == start {
                    let mut path = vec![node];
                    while let Some(former) = came_from.get(path[path.len() - 1]) {
                        path.push(former);
                    }
                    return Some(Cycle(path.into_iter().rev().cloned().collect()));
                }
                if !came_from.contains_key(need) {
                    came_from.insert(need, node);
                    next.push(need);
                }
            }
        }
        layer = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    /// `web<db,cache` says that `web` depends on `db` and on `cache`.
    fn read(text: &str) -> Dependencies<&str> {
        text.split_whitespace()
            .map(|node| {
                let (name, needs) = node.split_once('<').unwrap_or((node, ""));
                (name, needs.split(',').filter(|need| !need.is_empty()).collect())
            })
            .collect()
    }

    #[expect(clippy::needless_pass_by_value, reason = "expect-test's own shape")]
    fn check(text: &str, expected: Expect) {
        let shown = match layers(&read(text)) {
            Ok(layers) => layers.iter().map(|layer| layer.join(" ")).collect::<Vec<_>>().join(" | "),
            Err(cycle) => format!("cycle: {cycle}"),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn what_is_depended_on_comes_first() {
        check("", expect![""]);
        check("b a", expect!["a b"]);
        check("web<db db", expect!["db | web"]);
        check("web<db,cache worker<db cache<db db", expect!["db | cache worker | web"]);
        check("web<elsewhere", expect!["web"]);
    }

    #[test]
    fn a_cycle_is_shown_as_a_path() {
        check("a<a", expect!["cycle: a -> a"]);
        check("a<b b<a", expect!["cycle: a -> b -> a"]);
        check("before end<z z<x x<y y<z,before", expect!["cycle: x -> y -> z -> x"]);
        check("a<b b<c c<a,b", expect!["cycle: a -> b -> c -> a"]);
    }

    #[test]
    fn a_closure_is_what_has_to_be_there() {
        let graph = read("web<api api<base,elsewhere base other<base");
        assert_eq!(closure(&graph, ["web", "unknown"]), BTreeSet::from(["web", "api", "base"]));
    }

    proptest! {
        #[test]
        fn every_graph_is_ordered_or_has_a_true_cycle(edges in proptest::collection::vec((0u8..12, 0u8..12), 0..40)) {
            let mut graph: Dependencies<u8> = (0..12).map(|n| (n, BTreeSet::new())).collect();
            for (node, need) in edges {
                graph.entry(node).or_default().insert(need);
            }
            match order(&graph) {
                Ok(order) => {
                    prop_assert_eq!(order.len(), graph.len());
                    for (place, node) in order.iter().enumerate() {
                        prop_assert!(graph[node].iter().all(|need| order[..place].contains(need)));
                    }
                }
                Err(cycle) => prop_assert!(cycle.edges().all(|(node, need)| graph[node].contains(need))),
            }
        }
    }
}
