//! Scheduling of the stages of a run, without processes or time.

use super::order::Node;

/// State of a stage in this run.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Waiting,
    Running,
    Done,
    Failed,
    /// Not run, because this stage failed.
    Skipped(String),
}

/// Stages of one run with their states, in execution order.
#[derive(Debug, Clone)]
pub struct Schedule<'a> {
    steps: Vec<(Node<'a>, State)>,
}

impl<'a> Schedule<'a> {
    /// Creates a schedule in which all stages wait. `nodes` are ordered as by
    /// [`super::order::order`].
    pub fn new(nodes: impl IntoIterator<Item = Node<'a>>) -> Self {
        Self { steps: nodes.into_iter().map(|n| (n, State::Waiting)).collect() }
    }

    /// Returns the first waiting stage whose dependencies in this run are done.
    pub fn next(&self) -> Option<&'a str> {
        self.ready().next()
    }

    /// Number of stages that could start now.
    pub fn ready_count(&self) -> usize {
        self.ready().count()
    }

    fn ready(&self) -> impl Iterator<Item = &'a str> {
        self.steps
            .iter()
            .filter(|(node, state)| {
                let is_pending =
                    |(n, s): &(Node<'_>, State)| node.after.contains(&n.name) && *s != State::Done;
                *state == State::Waiting && !self.steps.iter().any(is_pending)
            })
            .map(|(node, _)| node.name)
    }

    /// Number of running stages.
    pub fn running(&self) -> usize {
        self.steps.iter().filter(|(_, s)| *s == State::Running).count()
    }

    /// Marks a stage as started.
    pub fn start(&mut self, name: &str) {
        self.set(name, State::Running);
    }

    /// Marks a stage as done or fresh.
    pub fn done(&mut self, name: &str) {
        self.set(name, State::Done);
    }

    /// Marks a stage as failed; returns the stages that are skipped because they depend on it.
    pub fn fail(&mut self, name: &str) -> Vec<&'a str> {
        self.set(name, State::Failed);
        let mut failed = vec![name.to_owned()];
        let mut skipped = Vec::new();
        for (node, state) in &mut self.steps {
            if *state == State::Waiting && node.after.iter().any(|a| failed.iter().any(|l| l == a))
            {
                *state = State::Skipped(name.to_owned());
                failed.push(node.name.to_owned());
                skipped.push(node.name);
            }
        }
        skipped
    }

    fn set(&mut self, name: &str, state: State) {
        let step = self.steps.iter_mut().find(|(n, _)| n.name == name);
        step.expect("a stage of this run").1 = state;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: [Node<'_>; 5] = [
        Node { name: "split", after: &["preprocess"] },
        Node { name: "train", after: &["split"] },
        Node { name: "audit", after: &["split"] },
        Node { name: "evaluate", after: &["train"] },
        Node { name: "report", after: &["evaluate", "audit"] },
    ];

    #[test]
    fn branches_start_together_and_joins_wait() {
        let mut schedule = Schedule::new(NODES);
        assert_eq!((schedule.next(), schedule.ready_count()), (Some("split"), 1));
        schedule.start("split");
        assert_eq!(schedule.next(), None);
        schedule.done("split");
        assert_eq!((schedule.next(), schedule.ready_count()), (Some("train"), 2));
        schedule.start("train");
        assert_eq!(schedule.next(), Some("audit"));
        schedule.start("audit");
        assert_eq!((schedule.next(), schedule.running()), (None, 2));
        schedule.done("train");
        assert_eq!(schedule.next(), Some("evaluate"));
        schedule.start("evaluate");
        schedule.done("evaluate");
        assert_eq!(schedule.next(), None);
        schedule.done("audit");
        assert_eq!(schedule.next(), Some("report"));
    }

    #[test]
    fn a_failure_skips_only_the_dependent_stages() {
        let mut schedule = Schedule::new(NODES);
        schedule.done("split");
        schedule.start("train");
        assert_eq!(schedule.fail("train"), ["evaluate", "report"]);
        assert_eq!(schedule.next(), Some("audit"));
        schedule.done("audit");
        assert_eq!(schedule.next(), None);
    }
}
