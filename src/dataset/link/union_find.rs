/// Sets that grow together (Galler and Fischer 1964, with path halving). The
/// number of a set is its smallest member, in whatever order it grew.
#[derive(Debug, Clone)]
pub(super) struct UnionFind(Vec<usize>);

impl UnionFind {
    /// `n` members, each a set of its own.
    pub(super) fn new(n: usize) -> Self {
        Self((0..n).collect())
    }

    /// The smallest member of the set of `member`.
    pub(super) fn find(&mut self, mut member: usize) -> usize {
        while self.0[member] != member {
            self.0[member] = self.0[self.0[member]];
            member = self.0[member];
        }
        member
    }

    /// Makes one set of the sets of `a` and `b`.
    pub(super) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.find(a), self.find(b));
        self.0[a.max(b)] = a.min(b);
    }
}
