//! Execution order of stages: each stage after the stages that it depends on.

/// Stage with its dependencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node<'a> {
    /// Name of the stage.
    pub name: &'a str,
    /// Stages whose files it reads, if they are part of the run.
    pub after: &'a [&'a str],
}

/// Error in the list of stages.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// A stage that does not exist.
    #[error("there is no stage `{name}`; the stages are {}", known.join(", "))]
    Unknown {
        /// Unknown name.
        name: String,
        /// Known stages.
        known: Vec<String>,
    },
    /// Stages that depend on each other.
    #[error("the stages {} depend on each other", names.join(", "))]
    Cycle {
        /// Names of the stages.
        names: Vec<String>,
    },
}

/// Sorts the `wanted` stages topologically, otherwise in the order of `nodes` (Kahn 1962, taking
/// the first ready stage).
///
/// # Errors
/// For an unknown stage, or a cycle.
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
