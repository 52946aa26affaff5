//! Disjoint-set data structure.

/// Disjoint sets (Galler and Fischer 1964, with path halving). The representative of a set is
/// its smallest member, whatever the order of joins.
#[derive(Debug, Clone)]
pub(super) struct UnionFind(Vec<usize>);

impl UnionFind {
    /// Creates `n` sets with one member each.
    pub(super) fn new(n: usize) -> Self {
        Self((0..n).collect())
    }

    /// Returns the smallest member of the set of `member`.
    pub(super) fn find(&mut self, mut member: usize) -> usize {
        while self.0[member] != member {
            self.0[member] = self.0[self.0[member]];
            member = self.0[member];
        }
        member
    }

    /// Joins the sets of `a` and `b`.
    pub(super) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.find(a), self.find(b));
        self.0[a.max(b)] = a.min(b);
    }
}
