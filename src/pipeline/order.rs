//! The order in which stages run: each after the ones it reads from.

/// A stage as the pipeline sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node<'a> {
    /// The stage's name.
    pub name: &'a str,
    /// The stages whose files it reads, where they run at all.
    pub after: &'a [&'a str],
}

/// Why stages have no order.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// A stage that does not exist.
    #[error("there is no stage `{name}`; the stages are {}", known.join(", "))]
    Unknown {
        /// The name asked for.
        name: String,
        /// The stages there are.
        known: Vec<String>,
    },
    /// Stages that wait for each other.
    #[error("the stages {} wait for each other", names.join(", "))]
    Cycle {
        /// Their names.
        names: Vec<String>,
    },
}

/// The `wanted` stages, each after those it reads from; otherwise in the order
/// of `nodes` (Kahn 1962, always taking the first that is ready).
pub fn order<'a>(nodes: &[Node<'a>], wanted: &[String]) -> Result<Vec<&'a str>, OrderError> {
    if let Some(name) = wanted.iter().find(|w| !nodes.iter().any(|n| n.name == **w)) {
        let known = nodes.iter().map(|n| n.name.to_owned()).collect();
        return Err(OrderError::Unknown { name: name.clone(), known });
    }
    let mut left: Vec<_> = nodes.iter().filter(|n| wanted.iter().any(|w| w == n.name)).collect();
    let mut done = Vec::new();
    while !left.is_empty() {
        let waits = |n: &Node<'_>| left.iter().any(|l| n.after.contains(&l.name));
        let Some(next) = left.iter().position(|n| !waits(n)) else {
            let names = left.iter().map(|n| n.name.to_owned()).collect();
            return Err(OrderError::Cycle { names });
        };
        done.push(left.remove(next).name);
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: [Node<'_>; 4] = [
        Node { name: "plot", after: &["train", "split"] },
        Node { name: "train", after: &["split"] },
        Node { name: "split", after: &[] },
        Node { name: "audit", after: &["split"] },
    ];

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|s| (*s).to_owned()).collect()
    }

    #[test]
    fn each_stage_comes_after_what_it_reads() {
        let all = names(&["audit", "plot", "split", "train"]);
        assert_eq!(order(&NODES, &all).unwrap(), ["split", "train", "plot", "audit"]);
        assert_eq!(order(&NODES, &names(&["plot", "split"])).unwrap(), ["split", "plot"]);
    }

    #[test]
    fn unknown_stages_and_cycles_are_errors() {
        assert!(matches!(order(&NODES, &names(&["trian"])), Err(OrderError::Unknown { .. })));
        let ring = [Node { name: "a", after: &["b"] }, Node { name: "b", after: &["a"] }];
        assert!(matches!(order(&ring, &names(&["a", "b"])), Err(OrderError::Cycle { .. })));
    }
}
